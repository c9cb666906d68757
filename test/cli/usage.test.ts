import { assert, describe, it } from "@effect/vitest"
import { tree } from "../../src/cli/quorate.js"
import { problemOf, wordProblemOf } from "../../src/cli/usage.js"

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

  const program = tree()
  it.each([
    [["serv"], "there is no command serv; did you mean serve?"],
    [["--db", "list", "keys", "ad"], "there is no command keys ad; did you mean keys add?"],
    [["zzzz"], "there is no command zzzz"],
    [["keys"], "keys is followed by one of add, list, revoke"]
  ])("has words that are commands: %j", (args, problem) => {
    assert.strictEqual(wordProblemOf(program, args), problem)
  })

  it.each([[[]], [["store", "anything", "at", "all"]], [["doctor"]], [["quarantine", "--agent", "lst"]], [[
    "quarantine",
    "list"
  ]]])(
    "has words of its own where a command takes them: %j",
    (args: ReadonlyArray<string>) => assert.isUndefined(wordProblemOf(program, args))
  )
})
