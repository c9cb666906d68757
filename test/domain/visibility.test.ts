import { assert, describe, it } from "@effect/vitest"
import { isVisible, reachOf } from "../../src/domain/visibility.js"

const sees = (position: string, namespace: string, scope?: unknown) =>
  isVisible(reachOf(position), { namespace, metadata: scope === undefined ? {} : { scope } })

describe("visibility", () => {
  it("of a private memory is its namespace alone", () => {
    for (const scope of ["private", undefined, "unheard", 7, null, ["team"]]) {
      assert.isTrue(sees("a/b/c", "a/b/c", scope))
      for (const other of ["a/b", "a/b/c/d", "a/b/d", "a/b/cc"]) assert.isFalse(sees("a/b/c", other, scope))
    }
  })

  it("of the wider scopes is the subtree of parent, grandparent, great-grandparent", () => {
    const roots = { team: "a/b/c", unit: "a/b", org: "a" }
    for (const [scope, root] of Object.entries(roots)) {
      for (const inside of [root, `${root}/x`, `${root}/x/y`, "a/b/c/d"]) assert.isTrue(sees("a/b/c/d", inside, scope))
      assert.isFalse(sees("a/b/c/d", `${root}x`, scope))
      assert.isFalse(sees("a/b/c/d", "z", scope))
    }
    assert.isFalse(sees("a/b/c/d", "a/b", "team"))
    assert.isFalse(sees("a/b/c/d", "a", "unit"))
  })

  it("of a collective memory is everywhere", () => {
    assert.isTrue(sees("a/b", "z", "collective"))
    assert.isTrue(sees("a", "z/y/x", "collective"))
  })

  it("opens nothing more to an agent that stands too high, but its own namespace", () => {
    assert.isTrue(sees("a", "a", "team"))
    assert.isTrue(sees("a/b", "a/b", "org"))
    for (const scope of ["team", "unit", "org"]) assert.isFalse(sees("a", "a/b", scope))
    assert.isTrue(sees("a/b", "a/c", "team"))
    assert.isFalse(sees("a/b", "a/c", "unit"))
  })
})
