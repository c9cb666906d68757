import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpApiSwagger from "@effect/platform/HttpApiSwagger"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Routes from "../calls/routes.js"

/** The page that shows a contract. What it has a browser run is several megabytes: this is loaded when somebody asks for it. */
export const page = (api: HttpApi.Api["Type"]) =>
  Effect.flatMap(HttpApiBuilder.Router.router, (router) => router).pipe(
    Effect.provide(
      HttpApiSwagger.layer({ path: Routes.DOCS_PATH }).pipe(
        Layer.provide(Layer.succeed(HttpApi.Api, api)),
        Layer.provideMerge(HttpApiBuilder.Router.Live)
      )
    )
  )
