// Package streamkey gives metric streams an identity of 128 bits, without building a string and without allocating.
//
// Every attribute is hashed separately (XXH3, 128 bits) and the hashes are added up, so the order of attributes does not matter and nothing has to
// be sorted. Two different streams share a [Key] with the probability of a random 128-bit collision: among n streams about n²/2¹²⁹, which for 100
// million streams is 1.5e-23. So a key is used as the identity itself, without comparing the attributes.
//
// That holds for data that was not chosen to collide. A sender that chooses attributes and searches for collisions can find them, because a sum of
// hashes is weak against that, and so merge streams whose attributes it controls.
//
// Source: https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
package streamkey
