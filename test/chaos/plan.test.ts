import { assert, describe, it } from "@effect/vitest"
import { readFileSync } from "node:fs"
import { BUGS, editsOf } from "../../packaging/chaos/bugs.js"
import { FAULTS } from "../../packaging/chaos/Chronicle.js"
import { ROBBING } from "../../packaging/chaos/faults.js"
import { parse } from "../../packaging/chaos/options.js"
import * as original from "../../packaging/chaos/original.js"
import { plans } from "../../packaging/chaos/plan.js"

const some = (seed: number, count: number) => {
  const dealt = plans({ seed, sizes: [3, 5], secured: [false, true], faults: FAULTS, seconds: 20 })
  return Array.from({ length: count }, () => dealt.next().value)
}

describe("what a chaos run plans", () => {
  it("follows from the seed alone", () => {
    const told = (seed: number) => some(seed, 6).map(({ chance, ...plan }) => ({ ...plan, drawn: chance.next() }))
    assert.deepStrictEqual(told(7), told(7))
    assert.notDeepEqual(told(7), told(8))
  })

  it("is every kind of fault and mesh before any comes again, and takes fewer disks than hold a write", () => {
    for (let seed = 1; seed <= 50; seed++) {
      const dealt = some(seed, 4)
      assert.lengthOf(new Set(dealt.flatMap(({ faults }) => faults)), FAULTS.length)
      assert.lengthOf(new Set(dealt.map(({ isSecured, size }) => `${size} ${isSecured}`)), 4)
      for (const { faults, quorumWrites } of dealt) {
        assert.isBelow(faults.filter((fault) => ROBBING.has(fault)).length, quorumWrites)
      }
    }
  })

  it("takes no more disks when nothing else is wanted", () => {
    const dealt = plans({ seed: 1, sizes: [3], secured: [false], faults: ["wiped-disk"], seconds: 20 })
    assert.deepStrictEqual(dealt.next().value.faults, ["wiped-disk"])
  })

  it("has five bugs, each of which can be put into the sources as they are", () => {
    assert.isAtLeast(BUGS.length, 5)
    for (const bug of BUGS) {
      const texts = new Map<string, string>()
      for (const { file, replace, search } of editsOf(bug)) {
        const text = texts.get(file) ?? readFileSync(new URL(`../../src/${file}`, import.meta.url), "utf8")
        assert.lengthOf(text.split(search), 2, `${bug.name}: ${search}`)
        texts.set(file, text.replace(search, () => replace))
      }
    }
  })

  it("has the bugs, the faults and the options in the manual", () => {
    const manual = readFileSync(new URL("../../packaging/manual/chaos.md", import.meta.url), "utf8")
    for (const { name } of BUGS) assert.include(manual, `\`${name}\``)
    for (const fault of [...FAULTS, ...original.ORIGINAL_FAULTS]) assert.include(manual, `\`${fault}\``)
  })

  it("is refused when it is not understood", () => {
    for (
      const args of [["--nodes", "4"], ["--only", "flood"], ["--bug", "none"], ["--seed", "x"], ["--fault", "kill"]]
    ) {
      assert.property(parse(args), "problem", args.join(" "))
    }
    assert.strictEqual(parse(["--help"]), "help")
  })
})

describe("the report of the original's script", () => {
  const cycle = (ok: number, converged: number): original.Cycle => ({
    cycle: 1,
    fault: "partition_minority",
    writes: 100,
    ok,
    quorum_not_met: 100 - ok,
    fail: 0,
    count_node0: "100",
    count_node1: "100",
    count_node2: "100",
    converged
  })

  it("has a bound of what was acknowledged and is everywhere, cut off after three digits", () => {
    assert.deepStrictEqual(original.summaryOf([cycle(99, 98), cycle(98, 98)]), {
      total_cycles: 2,
      total_writes: 200,
      total_ok: 197,
      total_quorum_not_met: 3,
      total_fail: 0,
      convergence_bound: 0.994
    })
  })

  it("has no bound where nothing was acknowledged", () => {
    assert.isNull(original.summaryOf([cycle(0, 0)]).convergence_bound)
  })
})
