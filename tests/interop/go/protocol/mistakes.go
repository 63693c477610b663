package main

// mistaken is the one mistake that this run makes on purpose, empty in an honest run. Every place where the
// implementation can be made wrong asks `wrong` with the mistake's name; tests/interop/mistakes.json lists them all.
var mistaken string

// wrong returns whether this run makes the mistake of this name.
func wrong(name string) bool { return name == mistaken }
