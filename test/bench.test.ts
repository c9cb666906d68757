import { assert, describe, it } from "@effect/vitest"
import * as Comparison from "../packaging/bench/lib/comparison.mjs"
import { verdict } from "../packaging/bench/lib/verdict.mjs"

const times = (values: ReadonlyArray<number>, factor: number) => values.map((value) => value * factor)

describe("the verdict on another build", () => {
  const theirs = [100, 101, 99, 102, 98]

  it("is worse when the medians differ by more than 5 % and the ranges do not overlap", () => {
    assert.strictEqual(verdict(times(theirs, 0.94), theirs, "higher"), "worse")
    assert.strictEqual(verdict(times(theirs, 1.06), theirs, "lower"), "worse")
    assert.strictEqual(verdict(times(theirs, 1.06), theirs, "higher"), "better")
    assert.strictEqual(verdict(times(theirs, 0.94), theirs, "lower"), "better")
  })

  it("is the same when they differ by less, or when the ranges overlap", () => {
    assert.strictEqual(verdict(times(theirs, 0.955), theirs, "higher"), "same")
    assert.strictEqual(verdict([90, 90, 90, 90, 98], theirs, "higher"), "same")
    assert.strictEqual(verdict([110, 110, 110, 110, 102], theirs, "lower"), "same")
  })

  it("waits for five runs of both", () => {
    assert.strictEqual(verdict([50, 50, 50, 50], theirs, "higher"), "too few runs")
    assert.strictEqual(verdict([50, 50, 50, 50, 50], theirs.slice(1), "higher"), "too few runs")
  })

  it("looks only at repetitions in which both were measured", () => {
    const cell = (shape: string, rep: number, writesPerSecond: number) => ({ shape, rep, clients: 64, writesPerSecond })
    const cells = theirs.flatMap((value, rep) => [
      cell("quorate", rep, rep === 4 ? 1 : value),
      ...(rep === 4 ? [] : [cell("against", rep, value)])
    ])
    const compared = Comparison.compare({ cells, runs: [], reads: [], recalled: [] }, ["quorate", "against"])
    const writes = compared.find(({ title }) => title === "64 clients, writes/s")
    assert.deepInclude({ ...writes }, { runs: 4, verdict: "too few runs", ours: { median: 100.5, min: 99, max: 102 } })
  })

  it("is told for each figure, and which are worse in one line", () => {
    const read = (shape: string, rep: number, p50: number) => ({
      shape,
      rep,
      read: "get",
      clients: 1,
      readsPerSecond: 1000,
      p50,
      p99: 2 * p50
    })
    const reads = theirs.flatMap((value, rep) => [read("quorate", rep, 2 * value), read("against", rep, value)])
    const names = ["quorate", "against"] as const
    const compared = Comparison.compare({ cells: [], runs: [], reads, recalled: [] }, names)
    assert.deepStrictEqual(compared.map(({ verdict }) => verdict), ["same", "worse", "worse"])
    assert.match(
      Comparison.render(compared, names),
      /^worse in 2 of 3 figures, better in 0 \(.*\): get, 1 client, p50 ms; get, 1 client, p99 ms$/m
    )
  })
})
