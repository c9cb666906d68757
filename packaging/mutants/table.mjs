// The table of the guards: every promise, the edit that switches it off, and the test that must not let that pass.
import { createHash } from "node:crypto"
import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"

/** Where the tables are. */
export const FOLDER = "test/mutants"

/** Every guard of `root`, with the file of the table that it stands in. */
export const read = (root, folder = FOLDER) =>
  readdirSync(join(root, folder)).filter((file) => file.endsWith(".json")).sort().flatMap((file) =>
    JSON.parse(readFileSync(join(root, folder, file), "utf8")).map((guard) => ({
      ...guard,
      table: `${folder}/${file}`
    }))
  )

/** The source with its promise switched off; null where the text to replace is not there exactly once. */
export const applied = ({ replace, search }, source) =>
  source.split(search).length === 2 ? source.replace(search, () => replace) : null

/** The same from one commit to the next only for the same seed: so many guards at most. */
export const some = (guards, most, seed) => {
  const rank = ({ promise }) => createHash("sha256").update(`${seed} ${promise}`).digest("hex")
  return guards.map((guard) => [rank(guard), guard]).sort(([a], [b]) => a < b ? -1 : 1).slice(0, most)
    .map(([, guard]) => guard)
}
