import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import { Api } from "../Api.js"

export const layer = HttpApiBuilder.group(Api, "archive", (handlers) => handlers)
