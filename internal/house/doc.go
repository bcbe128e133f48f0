// Package house has the tests of what holds for all code of this repository.
package house
