import { assert, it } from "@effect/vitest"
import * as Redacted from "effect/Redacted"
import * as Bearer from "../../src/doors/Bearer.ts"

const url = "https://room.invalid/rooms/tea"

const carrier = (headers: Record<string, string>, at = url): Bearer.Carrier => ({
  url: at,
  headers: { get: (name) => headers[name.toLowerCase()] ?? null }
})

const find = (headers: Record<string, string>, at?: string) => {
  const token = Bearer.find(carrier(headers, at))
  return token && Redacted.value(token)
}

it("a token is found in a subprotocol, else in Authorization, else in the query (AU-2)", () => {
  const subprotocol = { "sec-websocket-protocol": "bearer, a.b.c, plain" }
  const authorization = { authorization: "Bearer d.e.f" }
  const inQuery = `${url}?token=g.h.i`
  assert.strictEqual(find({ ...subprotocol, ...authorization }, inQuery), "a.b.c")
  assert.strictEqual(find(authorization, inQuery), "d.e.f")
  assert.strictEqual(find({}, inQuery), "g.h.i")
  assert.isUndefined(find({}))
})

it("the pair may stand anywhere among the subprotocols; what is half of one is no token (AU-2)", () => {
  for (
    const [offered, token] of [
      ["plain,bearer ,  a.b.c", "a.b.c"],
      ["ndjson, bearer, a.b.c, bearer, d.e.f", "a.b.c"],
      ["bearer", "q"],
      ["plain, bearer,", "q"],
      ["Bearer, a.b.c", "q"],
      ["plain", "q"],
      ["", "q"]
    ] as const
  ) {
    assert.strictEqual(find({ "sec-websocket-protocol": offered }, `${url}?token=q`), token, offered)
  }
  for (const authorization of ["Basic d.e.f", "Bearer", "Bearer ", "Bearerd.e.f", ""]) {
    assert.strictEqual(find({ authorization }, `${url}?token=q`), "q", authorization)
  }
  assert.strictEqual(find({ authorization: "bEARER  d.e.f" }), "d.e.f")
  assert.isUndefined(find({}, `${url}?token=`))
})

it("a token shows itself in no text (AU-8)", () => {
  const token = Bearer.find(carrier({ authorization: "Bearer d.e.f" }))
  assert.notInclude(`${token} ${JSON.stringify({ token })}`, "d.e.f")
})

it("without its token, a request keeps what else it says (AU-3)", () => {
  const { headers, url: at } = Bearer.strip(carrier({
    "sec-websocket-protocol": "ndjson, bearer, a.b.c, plain",
    authorization: "Bearer d.e.f",
    cookie: "name=Ada"
  }, `${url}?name=Ada&token=g.h.i&token=j&color=red#there`))
  assert.strictEqual(at, `${url}?name=Ada&color=red#there`)
  assert.strictEqual(headers.get("Sec-WebSocket-Protocol"), "ndjson, plain")
  assert.isNull(headers.get("Authorization"))
  assert.strictEqual(headers.get("cookie"), "name=Ada")
  const bare = Bearer.strip(carrier({ "sec-websocket-protocol": "bearer, a.b.c", authorization: "Basic eA==" }))
  assert.isNull(bare.headers.get("sec-websocket-protocol"))
  assert.strictEqual(bare.headers.get("authorization"), "Basic eA==")
  assert.strictEqual(Bearer.strip(carrier({}, `${url}?name=a%20b`)).url, `${url}?name=a%20b`)
  const twice = Bearer.strip(carrier({ "sec-websocket-protocol": "bearer, a.b.c, bearer, d.e.f, plain, bearer" }))
  assert.strictEqual(twice.headers.get("sec-websocket-protocol"), "plain")
})

it("a web request is stripped as it is handed on (AU-3)", () => {
  const request = Bearer.stripRequest(
    new Request(`${url}?token=g.h.i&name=Ada`, {
      headers: {
        upgrade: "websocket",
        authorization: "Bearer d.e.f",
        "sec-websocket-protocol": "bearer, a.b.c, plain",
        cookie: "name=Ada"
      }
    })
  )
  assert.strictEqual(request.url, `${url}?name=Ada`)
  assert.deepStrictEqual([...request.headers], [
    ["cookie", "name=Ada"],
    ["sec-websocket-protocol", "plain"],
    ["upgrade", "websocket"]
  ])
})
