// Package house has the tests of rules for all code of this repository.
package house
