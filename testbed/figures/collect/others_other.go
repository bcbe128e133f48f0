//go:build !linux

package main

type usage struct{}

func now() usage { return usage{} }

func (usage) others() *int { return nil }
