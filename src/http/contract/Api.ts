import * as HttpApi from "@effect/platform/HttpApi"
import type * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"
import { version } from "../../domain/version.js"
import { agents } from "./agents.js"
import { archive } from "./archive.js"
import { data } from "./data.js"
import * as documentation from "./documentation.js"
import * as Errors from "./errors.js"
import { federation } from "./federation.js"
import { governance } from "./governance.js"
import { graph } from "./graph.js"
import { memories } from "./memories.js"
import { operations } from "./operations.js"
import { subscriptions } from "./subscriptions.js"
import { sync } from "./sync.js"
import { undo } from "./undo.js"

/**
 * The contract of a node as a value: the server, the typed client, `/openapi.json` and `/docs` come from it. It is a
 * superset of the original's, so that its SDKs and scripts work unchanged. Fields that are not named in it are ignored.
 * Its sync group is what nodes say to each other; all else is for clients.
 */
export class Api extends HttpApi.make("quorate")
  .add(memories)
  .add(archive)
  .add(graph)
  .add(governance)
  .add(agents)
  .add(data)
  .add(operations)
  .add(sync)
  .add(federation)
  .add(undo)
  .add(subscriptions)
  .addError(Errors.Unauthorized)
  .addError(Errors.InternalError)
  .annotateContext(OpenApi.annotations({
    title: "Quorate",
    version,
    description: "A federated memory for AI agents. Every write is held durably by a quorum of nodes before it is " +
      "acknowledged. Every error has a JSON body with `error`, and `field` where one field is wrong.",
    transform: documentation.complete
  }))
{}

/** The OpenAPI 3.1 document of a node that has a key. */
export const document = (): OpenApi.OpenAPISpec => documentOf(Api)

/** That of a contract. The platform makes it once for each, so whoever asks next gets the same. */
export const documentOf = <Id extends string, Groups extends HttpApiGroup.HttpApiGroup.Any, E, R>(
  api: HttpApi.HttpApi<Id, Groups, E, R>
): OpenApi.OpenAPISpec => OpenApi.fromApi(api, { additionalPropertiesStrategy: "allow" })
