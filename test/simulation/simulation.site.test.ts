import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import Database from "better-sqlite3"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { quorate } from "../cli/program.js"
import * as Pglite from "../postgres/pglite.js"
import * as dump from "./dump.js"
import { run } from "./run.js"
import { makeImage } from "./SimDisk.js"

/*
 * What simulated nodes came to, by all kinds and all faults, is what a daemon comes to that follows the same operations in the
 * log of a site: the rules of the state hold on both engines. The seeds are a share of those of the other files.
 */

const SEEDS = Number(process.env["QUORATE_SITE_SEEDS"] ?? 6)

describe("a memory that was simulated", () => {
  const folder = mkdtempSync(join(tmpdir(), "quorate-simulated-"))
  let database: Pglite.Pglite
  let empty: Buffer
  beforeAll(async () => {
    database = await Pglite.start()
    empty = await makeImage()
  })
  afterAll(async () => {
    await database.stop()
    rmSync(folder, { recursive: true, force: true })
  })

  const moved = async (from: string, to: string) => {
    const { code, stderr } = await quorate(["move", "--from", from, "--to", to, "--json"])
    assert.strictEqual(code, 0, stderr)
  }

  /** What there is in a file, without what the file or the node alone has. */
  const standing = ({ log, state, voids }: dump.Dump) => ({ log: log.map(({ hash }) => hash).sort(), state, voids })

  it.each(Array.from({ length: SEEDS }, (_, at) => at + 1))("comes to the same on a site: seed %s", async (seed) => {
    const { files } = run(seed, empty, { keepFiles: true })
    const fullest = files.reduce((a, b) => a.dump.log.length < b.dump.log.length ? b : a)
    const [before, after] = [join(folder, `${seed}.db`), join(folder, `${seed}-after.db`)]
    writeFileSync(before, fullest.image)
    const store = database.url(`simulated_${seed}`)
    await moved(before, store)
    await moved(store, after)
    const db = new Database(after, { readonly: true })
    try {
      assert.deepStrictEqual(standing(dump.dump(fullest.dump.node, db)), standing(fullest.dump))
    } finally {
      db.close()
    }
  }, 60_000)
})
