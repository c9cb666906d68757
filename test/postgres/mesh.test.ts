import { describe } from "@effect/vitest"
import * as mesh from "./mesh.js"
import * as Site from "./site.js"

describe("a site in a mesh", () => {
  mesh.holds(() =>
    Promise.resolve({
      flags: () => [],
      addresses: (urls) => urls,
      standing: ({ url }) => Site.standing(url),
      remove: () => {}
    })
  )
})
