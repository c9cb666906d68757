import type * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { internal, type Refusal, reply } from "./Refusal.js"
import * as Reply from "./Reply.js"

/** What the caller is told about a failure, and what of it only the log may know. */
export const ofCause = (
  cause: Cause.Cause<Refusal>
): { readonly reply: Reply.Reply; readonly unexpected: Option.Option<Cause.Cause<unknown>> } => {
  const failure = Cause.failureOption(cause)
  if (Option.isNone(failure)) {
    return { reply: internal, unexpected: Cause.isInterruptedOnly(cause) ? Option.none() : Option.some(cause) }
  }
  const broken = failure.value._tag === "ReadFailed" || failure.value._tag === "LocalWriteFailed"
  return { reply: reply(failure.value), unexpected: broken ? Option.some(cause) : Option.none() }
}

/** Logs what nobody outside may see. */
export const logUnexpected = (cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Effect.logError("a request failed", cause)

/** Turns every failure of an endpoint into its answer. */
export const refusals = <A, R>(
  effect: Effect.Effect<A, Refusal, R>
): Effect.Effect<A | HttpServerResponse.HttpServerResponse, never, R> =>
  Effect.catchAllCause(effect, (cause) => {
    if (Cause.isInterruptedOnly(cause)) return Effect.interrupt
    const { reply, unexpected } = ofCause(cause)
    const response = Reply.toResponse(reply)
    return Option.isNone(unexpected) ? Effect.succeed(response) : Effect.as(logUnexpected(unexpected.value), response)
  })
