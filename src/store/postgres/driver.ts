import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type { Driver } from "./server.js"

/** The driver is no part of this package: who has no such store needs none. */
export class DriverMissing extends Data.TaggedError("DriverMissing")<{ readonly cause: unknown }> {
  override get message() {
    return "the driver of PostgreSQL is not installed: npm install @effect/sql-pg@0.53 pg@8"
  }
}

export const load: Effect.Effect<Driver, DriverMissing> = Effect.tryPromise({
  try: async () => {
    const [PgClient, Pg] = await Promise.all([import("@effect/sql-pg/PgClient"), import("pg")])
    return { PgClient, Pg }
  },
  catch: (cause) => new DriverMissing({ cause })
})
