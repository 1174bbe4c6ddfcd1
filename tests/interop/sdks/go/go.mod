module conductor-lite-sample

go 1.25.0

require github.com/dbos-inc/dbos-transact-golang v1.2.0
