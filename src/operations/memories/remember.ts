import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Attested } from "../../domain/Attestation.js"
import * as CreateMemory from "../../domain/CreateMemory.js"
import type { Invalid } from "../../domain/validate.js"
import { Lifetimes } from "../../store/Lifetimes.js"
import type { SlotTaken } from "../errors.js"
import * as Write from "../writing/Write.js"
import { place } from "./place.js"

/**
 * Stores a memory here and on as many peers as the quorum asks for. Where the rules of its namespace ask for approval, what
 * is stored is the request for it. What is known of a signature of its author, `attest` found out.
 */
export const remember = (
  request: CreateMemory.CreateMemory,
  caller = Write.anonymous,
  attested: Option.Option<Attested> = Option.none()
): Write.Verb<Write.Written, Invalid | SlotTaken | Write.Ruled> => Write.one(remembering(request, caller, attested))

/** The same as a record, of which several that came at once are run by `each`. */
export const remembering = (
  request: CreateMemory.CreateMemory,
  caller: Write.Caller,
  attested: Option.Option<Attested>
) =>
  Write.governed({
    name: "remember",
    counts: "created",
    caller,
    request: [request],
    governed: { action: "store", agentId: request.agent_id },
    prepare: () =>
      Effect.flatMap(Lifetimes, (lifetimes) =>
        Effect.flatMap(Clock.currentTimeMillis, (now) =>
          CreateMemory.validate(request, now, lifetimes, attested))),
    decide: (now, draft, asking) =>
      place(now, CreateMemory.build(draft, { ...asking, stamp: now.stamp, createdAt: momentOf(attested) }), {
        onConflict: draft.onConflict,
        isNewId: asking.isNewId
      }),
    answer: Write.withMemory
  })

const momentOf = (attested: Option.Option<Attested>) =>
  Option.getOrUndefined(Option.map(attested, ({ createdAt }) => createdAt))
