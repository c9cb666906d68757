import * as Either from "effect/Either"
import * as Schema from "effect/Schema"
import { absentable } from "./absentable.js"
import { EVENTS, type Wanted } from "./Change.js"
import * as limits from "./limits.js"
import { isPattern, MAX_PATTERN_CHARS } from "./namespaces.js"
import { decoder } from "./ShapeError.js"
import * as rules from "./validate.js"

/*
 * Whom to tell of changes, and how far that was done. Both replicate, so that any node can go on where another one ended.
 */

const Event = Schema.Literal(...EVENTS)

export const Subscription = Schema.Struct({
  id: Schema.String,
  /** Where to send; none where somebody only says to be there, as the original lets it. */
  url: absentable(Schema.String),
  /** As it was given: one of the two signatures is by the secret itself. Nobody is shown it. */
  secret: absentable(Schema.String),
  /** None of them is all. */
  events: Schema.Array(Event),
  namespace_filter: absentable(Schema.String),
  agent_filter: absentable(Schema.String),
  /** For whom, where somebody says to be there; of no effect. */
  namespace: absentable(Schema.String),
  agent_id: Schema.String,
  created_by: Schema.String,
  created_at: Schema.String,
  /** The cursor from which on it hears. */
  since: Schema.String
})
export type Subscription = typeof Subscription.Type

export const decode = decoder(Subscription)

/** Without what nobody is shown: its secret, and the path of its URL, which may be one. */
export const withoutSecret = ({ secret: _, url, ...shown }: Subscription) => ({
  ...shown,
  ...(url === undefined ? {} : { url: new URL(url).origin })
})

/** The one JSON text. */
export const encodeJson = (subscription: Subscription): string =>
  JSON.stringify({
    id: subscription.id,
    url: subscription.url,
    secret: subscription.secret,
    events: subscription.events,
    namespace_filter: subscription.namespace_filter,
    agent_filter: subscription.agent_filter,
    namespace: subscription.namespace,
    agent_id: subscription.agent_id,
    created_by: subscription.created_by,
    created_at: subscription.created_at,
    since: subscription.since
  })

export const validate = (given: Subscription): Either.Either<Subscription, rules.Invalid> =>
  Either.gen(function*() {
    const { agent_filter, agent_id, created_by, id, namespace_filter, secret, since, url } = given
    yield* rules.firstInvalid([
      rules.memoryId(id),
      rules.agentId(agent_id),
      rules.named("created_by", rules.agentId(created_by)),
      given.namespace === undefined ? Either.void : rules.namespace(given.namespace),
      agent_filter === undefined ? Either.void : rules.named("agent_filter", rules.agentId(agent_filter)),
      secret === undefined ? Either.void : secretOf(secret),
      url === undefined ? Either.void : urlOf(url)
    ])
    if (namespace_filter !== undefined && !isPattern(namespace_filter)) {
      return yield* invalid(
        "namespace_filter",
        `must be 1 to ${MAX_PATTERN_CHARS} printable characters without a blank`
      )
    }
    if (given.events.length > EVENTS.length) return yield* invalid("events", `must be at most ${EVENTS.length}`)
    if (!isCursor(since)) return yield* invalid("since", "must be a cursor")
    return { ...given, created_at: yield* rules.stamp("created_at", given.created_at) }
  })

const isCursor = (text: string) => text.length <= limits.MAX_CHANGES_CURSOR_CHARS && /^[A-Za-z0-9_-]+$/.test(text)

const secretOf = (secret: string) =>
  secret.length >= 1 && Buffer.byteLength(secret) <= limits.MAX_WEBHOOK_SECRET_BYTES && !/\p{Surrogate}/u.test(secret)
    ? Either.void
    : invalid("secret", `must be 1 to ${limits.MAX_WEBHOOK_SECRET_BYTES} bytes of UTF-8`)

/** The shape alone: whether somebody may be sent to there, the node knows that sends. */
export const urlOf = (url: string): Either.Either<URL, rules.Invalid> => {
  const parsed = url.length <= limits.MAX_WEBHOOK_URL_CHARS && URL.canParse(url) ? new URL(url) : undefined
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol) || !/^[\x21-\x7e]+$/.test(url)) {
    return invalid("url", `must be an https URL of at most ${limits.MAX_WEBHOOK_URL_CHARS} characters`)
  }
  return parsed.username === "" && parsed.password === "" && parsed.hash === ""
    ? Either.right(parsed)
    : invalid("url", "must have no user, no password and no fragment")
}

/** What it wants to hear of. */
export const wantedOf = ({ agent_filter, events, namespace_filter }: Subscription): Wanted => ({
  namespace: namespace_filter,
  agentId: agent_filter,
  events: events.length === 0 ? undefined : new Set(events)
})

/** How far a subscription was served: the greatest of what several nodes say counts. */
export const Delivery = Schema.Struct({
  id: Schema.String,
  cursor: Schema.String,
  /** Events that its receiver has taken, and those that became dead letters. */
  dispatched: Schema.Int.pipe(Schema.nonNegative()),
  failed: Schema.Int.pipe(Schema.nonNegative())
})
export type Delivery = typeof Delivery.Type

export const decodeDelivery = decoder(Delivery)

export const encodeDeliveryJson = ({ cursor, dispatched, failed, id }: Delivery): string =>
  JSON.stringify({ id, cursor, dispatched, failed })

export const validateDelivery = (delivery: Delivery): Either.Either<Delivery, rules.Invalid> =>
  Either.flatMap(
    rules.memoryId(delivery.id),
    () => isCursor(delivery.cursor) ? Either.right(delivery) : invalid("cursor", "must be a cursor")
  )

const invalid = (field: string, complaint: string): Either.Either<never, rules.Invalid> =>
  Either.left(new rules.Invalid({ field, message: `${field} ${complaint}` }))
