import type Database from "better-sqlite3"
import * as Schema from "effect/Schema"
import { one } from "./statements.js"

/** Room for chance below the seconds: 20 bits, so that both together stay a safe integer for two centuries. */
const CHANCE = 2 ** 20

const Now = Schema.Struct({ seconds: Schema.Int, chance: Schema.Int })

/**
 * An incarnation that no copy of this database can have come to by itself, and above the current one: the seconds since 1970,
 * and 20 random bits after them. A small number, or the next one, somebody may have taken who began with the same file.
 */
export const fresh = (writer: Database.Database, current: number): number => {
  const now = one(writer, Now, `SELECT unixepoch() AS seconds, abs(random() % ${CHANCE}) AS chance`)()
  // By chance also within the second of the current one: two copies of it must not both come to the next number.
  return now === null ? current + 1 : Math.max(current + 1, now.seconds * CHANCE) + now.chance
}
