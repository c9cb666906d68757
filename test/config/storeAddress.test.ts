import { assert, describe, it } from "@effect/vitest"
import * as Either from "effect/Either"
import * as FastCheck from "effect/FastCheck"
import * as storeAddress from "../../src/config/storeAddress.js"

const serversOf = (text: string) => Either.getOrThrow(storeAddress.parse(text)).servers
const refusal = (text: string) => Either.getOrThrow(Either.flip(storeAddress.parse(text)))

describe("the address of a store", () => {
  it.each([
    ["postgres://a", ["postgres://a"]],
    ["postgresql://a/memory", ["postgresql://a/memory"]],
    ["postgres://me@a:5433/memory", ["postgres://me@a:5433/memory"]],
    ["postgres://me@a,b:5433,[::1]:5434/m", [
      "postgres://me@a/m",
      "postgres://me@b:5433/m",
      "postgres://me@[::1]:5434/m"
    ]],
    ["postgres://me%40there@a/m", ["postgres://me%40there@a/m"]],
    ["postgres://a,b/m?sslmode=require", ["postgres://a/m?sslmode=require", "postgres://b/m?sslmode=require"]],
    ["postgres://a/m?options=-c%20search_path%3Dx", ["postgres://a/m?options=-c%20search_path%3Dx"]],
    ["postgres://a/m?target_session_attrs=read-write", ["postgres://a/m"]],
    ["postgres://a/m?target_session_attrs=read-write&sslmode=disable", ["postgres://a/m?sslmode=disable"]]
  ])("%s is of its servers, in their order", (text, servers) => {
    assert.deepStrictEqual(serversOf(text), servers)
    assert.strictEqual(Either.getOrThrow(storeAddress.parse(text)).text, text)
  })

  it.each([
    ["", "expected postgres://[user@]host"],
    ["quorate.db", "expected postgres://[user@]host"],
    ["mysql://a/m", "expected postgres://[user@]host"],
    ["http://a/m", "expected postgres://[user@]host"],
    ["postgres:///m", "expected postgres://[user@]host"],
    ["postgres://a/m#there", "expected postgres://[user@]host"],
    ["postgres://me@you@a/m", "expected postgres://[user@]host"],
    ["postgres://a,/m", "expected servers of the form host:port"],
    ["postgres://a,,b/m", "expected servers of the form host:port"],
    ["postgres://a:port/m", "expected servers of the form host:port"],
    ["postgres://a b/m", "expected servers of the form host:port"],
    ["postgres://::1/m", "expected servers of the form host:port"],
    ["postgres://a/m?target_session_attrs=any", "expected target_session_attrs to be read-write"],
    ["postgres://a/m?sslmode=require&target_session_attrs=prefer-standby", "expected target_session_attrs"]
  ])("%s is none", (text, why) => {
    assert.include(refusal(text), why)
  })

  it("has 16 servers at most", () => {
    const of = (count: number) => `postgres://${Array.from({ length: count }, (_, at) => `host${at}`).join()}/m`
    assert.lengthOf(serversOf(of(16)), 16)
    assert.strictEqual(refusal(of(17)), "expected at most 16 servers")
  })

  const secret = FastCheck.stringMatching(/^[A-Za-z0-9]{8,16}$/)
  it.prop(
    "has no password in it, and what is wrong with it repeats none",
    {
      secret,
      form: FastCheck.constantFrom<(secret: string) => string>(
        (secret) => `postgres://me:${secret}@a/m`,
        (secret) => `postgres://:${secret}@a/m`,
        (secret) => `postgres://a/m?password=${secret}`,
        (secret) => `postgres://a/m?sslmode=require&password=${secret}`,
        (secret) => `postgres://me:${secret}@@a/m`,
        (secret) => `mysql://me:${secret}@a/m`,
        (secret) => `postgres://me:${secret}@a/m?target_session_attrs=any`,
        (secret) => `postgres://me:${secret}@a:x/m`
      )
    },
    ({ form, secret }) => {
      assert.notInclude(refusal(form(secret)), secret)
    }
  )

  it("names no file of passwords either, and says where they belong", () => {
    for (const text of ["postgres://me:secret@a/m", "postgres://a/m?password=x", "postgres://a/m?passfile=there"]) {
      assert.strictEqual(refusal(text), "expected no password in it: give that by PGPASSFILE, or in ~/.pgpass")
    }
  })
})
