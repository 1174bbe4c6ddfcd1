"""The call that makes applications what a file declares of them."""

from conductor_lite.api.schemas.declaration import (
    ApplyDeclarationInputBody,
    ApplyDeclarationOutputBody,
    ApplyDeclarationQuery,
)
from conductor_lite.client.call import Call


def apply_declaration(
    body: ApplyDeclarationInputBody, query: ApplyDeclarationQuery | None = None
) -> Call[ApplyDeclarationOutputBody]:
    """Make applications what is declared of them."""
    return Call(
        operation_id="applyDeclaration",
        method="POST",
        path="/v2/orgs/{orgName}/apply",
        query=query,
        body=body,
        result=ApplyDeclarationOutputBody,
        repeatable=True,
    )
