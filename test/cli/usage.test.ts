import { assert, describe, it } from "@effect/vitest"
import { problemOf } from "../../src/cli/usage.js"

describe("a command line", () => {
  it.each([
    [["serve", "--qourum-peer", "http://b:1"], "there is no flag --qourum-peer; did you mean --quorum-peers?"],
    [["serve", "--anything"], "there is no flag --anything"],
    [["serve", "--port", "1", "--port=2"], "--port is given twice"],
    [["serve", "--insecure-bind", "--insecure-bind"], "--insecure-bind is given twice"],
    [["serve", "--port"], "--port is given without its value"],
    [["serve", "--db", "--port", "1"], "--db is given without its value"]
  ])("is told what is wrong with it: %j", (args, problem) => {
    assert.strictEqual(problemOf(args), problem)
  })

  it.each([
    [[]],
    [["--help"]],
    [["--db", "a.db", "config", "show", "--json", "--db", "b.db"]],
    [["serve", "--port=1", "--insecure-bind", "--quorum-peers", "http://b:1"]],
    [["serve", "--log-level", "debug", "-h"]]
  ])("is let be where nothing is: %j", (args: ReadonlyArray<string>) => {
    assert.isUndefined(problemOf(args))
  })
})
