import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import * as os from "node:os"
import * as path from "node:path"
import * as Authors from "../../src/access/Authors.js"
import * as keyDirectory from "../../src/access/keyDirectory.js"
import * as keyFile from "../../src/access/keyFile.js"
import * as KeyRing from "../../src/access/KeyRing.js"
import * as smallFile from "../../src/access/smallFile.js"

const within = (run: (folder: string) => void) => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), "quorate-files-"))
  try {
    run(folder)
  } finally {
    fs.rmSync(folder, { recursive: true })
  }
}

/** What may stand where a file of keys should be, and what is said of it. */
const wrong: ReadonlyArray<readonly [what: string, make: (file: string) => void, problem: RegExp]> = [
  ["a pipe", (file) => execFileSync("mkfifo", [file]), /no regular file/],
  ["a folder", (file) => fs.mkdirSync(file), /no regular file/],
  ["a link to a device", (file) => fs.symlinkSync("/dev/zero", file), /no regular file/],
  [
    "a file of 8 GiB",
    (file) => {
      fs.writeFileSync(file, "")
      fs.truncateSync(file, 8 * 1024 ** 3)
    },
    /longer than \d+ bytes/
  ]
]

describe("files of keys", () => {
  it("are read to their last byte, and no further than they may be long", () =>
    within((folder) => {
      const file = path.join(folder, "f")
      fs.writeFileSync(file, "12345678")
      assert.strictEqual(smallFile.read(file, 8).toString(), "12345678")
      assert.throws(() => smallFile.read(file, 7), /longer than 7 bytes/)
    }))

  it.each(wrong)("are not waited for where there is %s", (_, make, problem) =>
    within((folder) => {
      make(path.join(folder, "keys"))
      make(path.join(folder, "node.pub"))
      const unusable = Effect.runSync(Effect.flip(keyFile.read(path.join(folder, "keys"))))
      assert.match(unusable.message, problem)
      const loaded = keyDirectory.load(folder, "node")
      assert.match(Either.isLeft(loaded) ? loaded.left.message : "loaded", problem)
    }))

  it("are used from no folder on their way that others can write into", () =>
    within((folder) => {
      assert.isTrue(Either.isRight(keyDirectory.generate(folder, "region/nyc/node", { replace: false })))
      assert.isTrue(Option.isSome(Either.getOrThrow(keyDirectory.load(folder, "region/nyc/node"))))
      for (const each of ["region/nyc", "region", "."]) {
        fs.chmodSync(path.join(folder, each), 0o777)
        const loaded = keyDirectory.load(folder, "region/nyc/node")
        assert.match(Either.isLeft(loaded) ? loaded.left.message : "loaded", /others can write into it/, each)
        fs.chmodSync(path.join(folder, each), 0o700)
      }
    }))

  it("are enrolled when they are of no use, and told once", () =>
    within((folder) => {
      fs.writeFileSync(path.join(folder, "short.pub"), "31 bytes")
      assert.isTrue(Either.isRight(keyDirectory.generate(folder, "good", { replace: false })))
      let now = 0
      const told: Array<string> = []
      const ring = KeyRing.make({ folder, nowMillis: () => now, onUnusable: (problem) => told.push(problem) })
      for (; now < 10_000; now += 500) {
        assert.isUndefined(ring.find("short"))
        assert.deepStrictEqual(["short", "good", "nobody"].map(ring.isEnrolled), [true, true, false])
      }
      assert.lengthOf(told, 1)
      assert.include(told[0], "short.pub")
      const { keysOf, mustSeal } = Authors.make(ring, "enrolled")
      assert.deepStrictEqual(["short", "good", "nobody"].map((id) => [keysOf(id).length, mustSeal(id)]), [
        [0, true],
        [1, true],
        [0, false]
      ])
    }))
})
