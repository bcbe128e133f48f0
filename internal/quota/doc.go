// Package quota decides whether a tenant, a service or an API key may send a request now.
//
// Each of them has an account with a token bucket for bytes and one for items, which fill at the rate of its quota and hold what comes in
// during its burst, and a count of the bytes of the day. A request that is larger than a bucket passes when the bucket is full and leaves a
// debt, so the mean rate holds for requests of any size. A request is charged to all of its accounts or to none.
//
// Several gateways share a quota by what each publishes: the rate at which senders offer it data. Each takes that part of the quota which
// its offered rate is of the sum (the proportional share of a rate limit quota service, without the service). See [Table.Publish] for the
// error bound.
//
// The package knows no configuration, no clock and no Kafka: callers pass the time.
package quota
