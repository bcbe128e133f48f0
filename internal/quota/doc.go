// Package quota decides whether a tenant, a service or an API key may send a request now.
//
// Each of them has an account with a token bucket for bytes and one for items, which fill at the rate of its quota and hold the amount of its
// burst, and a count of the bytes of the day. A request that is larger than a bucket passes when the bucket is full and leaves a debt, so the mean
// rate holds for requests of any size. A request is charged to all of its accounts or to none.
//
// Several gateways share a quota: each publishes the rate at which senders offer it data, and its share of the quota is its part of the sum of
// these rates (the proportional share of a rate limit quota service, without the service). See [Table.Publish] for the error bound.
//
// The package has no configuration, no clock and no Kafka: callers pass the time.
package quota
