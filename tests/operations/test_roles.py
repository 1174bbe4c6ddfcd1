"""Roles: the built-in ones stand fast, an organisation's own come and go."""

import msgspec
import pytest
from support.served import LOCAL, Run, Served

from conductor_lite.auth.permissions import ALL_PERMISSIONS
from conductor_lite.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError


def test_built_in_roles_come_first_and_a_member_may_all_but_change_the_organisation(run: Run) -> None:
    async def body(scene: Served) -> None:
        roles = scene.conductor.operations.roles
        await roles.create(LOCAL, "aaa_reader", ["application.read", "metric.read", "metric.read"])
        admin, member, custom = await roles.list(LOCAL)
        assert (admin.name, admin.is_global, admin.permissions) == ("admin", True, ALL_PERMISSIONS)
        assert (member.name, member.is_global) == ("member", True)
        assert set(ALL_PERMISSIONS) - set(member.permissions) == {"organization.write"}
        assert (custom.name, custom.is_global) == ("aaa_reader", False)
        assert custom.permissions == ("application.read", "metric.read")
        await roles.delete(LOCAL, "aaa_reader")
        assert len(await roles.list(LOCAL)) == 2

    run(body)


@pytest.mark.parametrize("name", ["admin", "member", "Admin", "taken"])
def test_a_name_that_is_taken_is_a_conflict(run: Run, name: str) -> None:
    async def body(scene: Served) -> None:
        roles = scene.conductor.operations.roles
        await roles.create(LOCAL, "taken", [])
        with pytest.raises(ConflictError):
            await roles.create(LOCAL, name, [])

    run(body)


def test_built_in_roles_cannot_be_deleted_nor_unknown_ones(run: Run) -> None:
    async def body(scene: Served) -> None:
        roles = scene.conductor.operations.roles
        with pytest.raises(ConflictError, match="built in"):
            await roles.delete(LOCAL, "member")
        with pytest.raises(NotFoundError):
            await roles.delete(LOCAL, "nobody")
        assert [entry.status for entry in await scene.audit("role.delete")] == ["failure", "failure"]

    run(body)


def test_nobody_makes_a_role_that_may_more_than_himself(run: Run) -> None:
    async def body(scene: Served) -> None:
        roles = scene.conductor.operations.roles
        writer = msgspec.structs.replace(LOCAL, permissions=frozenset({"organization.write"}))
        with pytest.raises(ForbiddenError, match=r"token\.write"):
            await roles.create(writer, "keymaster", ["token.write"])
        await roles.create(writer, "peer", ["organization.write"])

    run(body)


def test_every_fault_is_located(run: Run) -> None:
    async def body(scene: Served) -> None:
        with pytest.raises(InvalidError) as refusal:
            await scene.conductor.operations.roles.create(LOCAL, "no way", ["token.read", "root"])
        locations = [error.location for error in refusal.value.errors]
        assert locations == ["body.name", "body.permissions[1]"]

    run(body)
