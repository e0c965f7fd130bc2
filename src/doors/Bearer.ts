/**
 * Where a request carries its token: as the pair of subprotocols `bearer, <token>`, which a browser can send, else as
 * `authorization: Bearer <token>`, else as the parameter `?token=`, which logs on the way may keep.
 *
 * A token is never echoed. A browser ends a connection whose handshake answers none of the subprotocols that it offered,
 * so it offers one that the room speaks beside the pair:
 *
 * ```js
 * new WebSocket(url, ["bearer", token, "plain"])
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HttpHeaders from "effect/http/Headers"
import * as UrlParams from "effect/http/UrlParams"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

/** What of a request can carry a token: a web `Request` fits, and so does what a room's `connect` is given. */
export interface Carrier {
  readonly url: string
  readonly headers: { readonly get: (name: string) => string | null }
}

const inAuthorization = /^Bearer +(.+)$/i

/** The token of a request, from the first of its carriers that has one; `undefined` if it has none. */
export const find = ({ headers, url }: Carrier): Redacted.Redacted | undefined => {
  const offered = offers(headers)
  const pair = offered.indexOf("bearer")
  const token = (pair < 0 ? undefined : offered[pair + 1]) ||
    inAuthorization.exec(headers.get("authorization") ?? "")?.[1] ||
    new URL(url).searchParams.get("token")
  return token ? Redacted.make(token, { label: "token" }) : undefined
}

/** The same without a token in any of the three places. */
export const strip = ({ headers, url }: Carrier): Carrier => ({
  url: withoutToken(url),
  headers: {
    get: (name) => {
      switch (name.toLowerCase()) {
        case "authorization": {
          const value = headers.get(name)
          return value !== null && inAuthorization.test(value) ? null : value
        }
        case "sec-websocket-protocol": {
          const offered = offers(headers)
          const pair = offered.indexOf("bearer")
          return pair < 0 ? headers.get(name) : offered.toSpliced(pair, 2).join(", ") || null
        }
        default:
          return headers.get(name)
      }
    }
  }
})

/** {@link strip} for a web `Request`, which may ask for a WebSocket: as it is handed on to a room. */
export const stripRequest = (request: Request): Request => {
  const stripped = strip(request)
  const headers = new Headers(request.headers)
  for (const name of ["authorization", "sec-websocket-protocol"]) {
    const value = stripped.headers.get(name)
    if (value === null) headers.delete(name)
    else headers.set(name, value)
  }
  return new Request(stripped.url, new Request(request, { headers }))
}

/**
 * Keeps tokens out of the traces of an app: Effect's HTTP server notes the whole URL, and, where it is told to, headers.
 * Its log has neither. Provide it with the app's tracer.
 */
export const redacted: Layer.Layer<never> = /* @__PURE__ */ Layer.effectContext(
  /* @__PURE__ */ Effect.gen(function*() {
    const parameters = yield* UrlParams.CurrentRedactedNames
    const headers = yield* HttpHeaders.CurrentRedactedNames
    return Context.make(UrlParams.CurrentRedactedNames, [...parameters, "token"]).pipe(
      Context.add(HttpHeaders.CurrentRedactedNames, [...headers, "sec-websocket-protocol"])
    )
  })
)

const offers = (headers: Carrier["headers"]): ReadonlyArray<string> =>
  headers.get("sec-websocket-protocol")?.split(",").map((name) => name.trim()) ?? []

const withoutToken = (url: string): string => {
  const stripped = new URL(url)
  if (!stripped.searchParams.has("token")) return url
  stripped.searchParams.delete("token")
  return stripped.href
}
