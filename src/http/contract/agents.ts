import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as OpenApi from "@effect/platform/OpenApi"

export const agents = HttpApiGroup.make("agents")
  .annotateContext(
    OpenApi.annotations({ title: "Agents", description: "Who writes, and what agents say to each other" })
  )
