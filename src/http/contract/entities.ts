import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as Schema from "effect/Schema"
import { RegisterEntity } from "../../domain/Entity.js"
import * as limits from "../../domain/limits.js"
import { agentId, fields } from "./bodies.js"
import * as Errors from "./errors.js"
import { acknowledged, bodyErrors, described, etag, opId, writeErrors, writeHeaders } from "./parts.js"
import * as Query from "./query.js"

/* The part of the group `graph` that is about persons, places and things. */

const registerEntity = {
  type: "object",
  required: ["canonical_name", "namespace"],
  properties: {
    canonical_name: fields.title,
    namespace: fields.namespace,
    aliases: {
      type: ["array", "null"],
      maxItems: limits.MAX_ALIASES,
      items: fields.tags.items,
      description: "Other names, added to those that the entity has"
    },
    metadata: { ...fields.metadata, type: ["object", "null"], description: "Added to that of the entity, key by key" },
    agent_id: { ...agentId, type: ["string", "null"] }
  }
}

const EntityFields = {
  entity_id: Schema.String,
  canonical_name: Schema.String,
  namespace: Schema.String,
  aliases: Schema.Array(Schema.String)
}

const Registered = Schema.Struct({ ...EntityFields, created: Schema.Boolean, ...acknowledged }).annotations({
  identifier: "Registered"
})

const EntityFound = Schema.Struct({
  found: Schema.Boolean,
  entity_id: Schema.NullOr(Schema.String),
  canonical_name: Schema.NullOr(Schema.String),
  namespace: Schema.NullOr(Schema.String),
  aliases: Schema.NullOr(Schema.Array(Schema.String))
}).annotations({ identifier: "EntityFound" })

export const entity = HttpApiEndpoint.post("registerEntity", "/api/v1/entities")
  .setHeaders(writeHeaders)
  .setPayload(RegisterEntity.annotations({ identifier: "RegisterEntity", jsonSchema: registerEntity }))
  .addSuccess(Registered, { status: 201 })
  .addSuccess(Registered, { status: 200 })
  .addError(Errors.Queued)
  .addError(Errors.Conflict)
  .pipe(bodyErrors, writeErrors)
  .annotateContext(described(
    "Register a person, a place or a thing under its names",
    "201: it is new. 200: the namespace had an entity of this canonical name, which got the other names as well. An entity " +
      "is a memory, whose title is the canonical name; 409 when another memory has that title.",
    { ...opId, ...etag }
  ))

const AliasQuery = Schema.Struct({
  alias: Query.requiredText({ name: "alias", called: "alias" }, "Any name of the entity, exactly"),
  namespace: Query.text("namespace", "Exactly this namespace")
})

export const entityByAlias = HttpApiEndpoint.get("entityByAlias", "/api/v1/entities/by_alias")
  .setUrlParams(AliasQuery)
  .addSuccess(EntityFound)
  .addError(Errors.BadRequest)
  .annotateContext(described(
    "Find an entity by one of its names",
    "200 also when there is none: `found` is false then, and the rest is null."
  ))
