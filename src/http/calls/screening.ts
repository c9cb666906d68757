import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as SecretScreen from "../../operations/writing/SecretScreen.js"
import type { Incoming } from "./Call.js"
import { Refused } from "./Refusal.js"
import * as Remarks from "./Remarks.js"

/** Texts that look like credentials are remarked upon, or refused. What they are is never repeated. */
export const screening: Effect.Effect<Screen, never, Effect.Effect.Context<typeof SecretScreen.screening>> = Effect.map(
  SecretScreen.screening,
  (look) => ({ headers, remarks }, rows) => {
    const agentId = headers["x-agent-id"]
    for (const { isRefused, kind, place } of look(rows, String(agentId ?? ""))) {
      const what = `${place} looks like a credential (${kind})`
      if (isRefused) {
        return Either.left(new Refused({ status: 422, message: `${what}: nothing was written`, field: place }))
      }
      // Those that its screen has no word for, it takes.
      Remarks.note(remarks, kind === "api_key" ? what : `${what}: nodes of ai-memory 0.10 drop such a memory`)
    }
    return Either.void
  }
)

type Screen = (
  incoming: Pick<Incoming, "headers" | "remarks">,
  rows: ReadonlyArray<{ readonly value: unknown; readonly at: string }>
) => Either.Either<void, Refused>

export const screen = (...asked: Parameters<Screen>) => Effect.flatMap(screening, (look) => look(...asked))
