/**
 * The doors of rooms: they decide in the Worker who gets in, before the room is touched.
 *
 * In this order: the page that asks (its `Origin`, 403), how often its address does (429), who it is (`Authenticator`,
 * 401), and whether that one may enter this room (its token's rooms and `Permissions`, 403). Who gets in is told to the
 * room as claims (see `Principal`).
 *
 * **Example** (the doors of an app's rooms)
 *
 * ```ts
 * const DoorsLive = Doors.layer({ origins: ["same", "https://app.example"] }).pipe(
 *   Layer.provide([AuthenticatorLive, PermissionsLive, Rates.layerMemory()])
 * )
 *
 * const Routes = RoomRoutes.layer(Lobby, { doors: Doors.Doors }).pipe(Layer.provide(DoorsLive))
 * ```
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as NetAddress from "effect/net/NetAddress"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Claims from "../domain/Claims.ts"
import * as Problem from "../domain/Problem.ts"
import * as Authenticator from "./Authenticator.ts"
import * as Bearer from "./Bearer.ts"
import { InvalidOption } from "./InvalidOption.ts"
import * as Permissions from "./Permissions.ts"
import * as Principal from "./Principal.ts"
import * as Rates from "./Rates.ts"

export class Doors extends Context.Service<Doors, {
  /** Lets a request into the room of a name, with what the room may believe about it, or refuses it. */
  readonly enter: (request: Request, room: string) => Effect.Effect<Claims.Claims, Problem.Problem>
  /** The request as it is handed to the room: without its token. */
  readonly strip: (request: Request) => Request
}>()("effect-dormouse/doors/Doors") {}

/** How a door decides. */
export interface Options {
  /**
   * Whose pages may enter: origins like `https://app.example`, compared as a whole, and `same` for the origin of the
   * request itself. Only `same`, unless given. `null`, which is the origin of files and sandboxes, may be listed. With
   * `any` every page of the web may enter as who visits it, if that one is known by a cookie.
   */
  readonly origins?: ReadonlyArray<string> | "any" | undefined
  /** Refuses requests without an `Origin`, which no browser sends. They are let in, unless given. */
  readonly requireOrigin?: boolean | undefined
  /**
   * The header with the address of a client: `cf-connecting-ip`, unless given. It must be one that a client cannot make
   * up: Cloudflare sets this one. Elsewhere name the one that your proxy sets, or `false` for none. A request without the
   * header has no address, and is not counted. In it stands one address: one of IPv6 counts as its network of 64 bits.
   */
  readonly addressHeader?: string | false | undefined
}

/** Makes the doors. An origin in the options that is none fails. */
export const layer = (
  options: Options = {}
): Layer.Layer<Doors, InvalidOption, Authenticator.Authenticator | Rates.Rates> =>
  Layer.effect(Doors, Effect.suspend(() => make(options)))

const make = Effect.fnUntraced(function*({ addressHeader = "cf-connecting-ip", requireOrigin, ...options }: Options) {
  const authenticator = yield* Authenticator.Authenticator
  const permissions = yield* Permissions.Permissions
  const rates = yield* Rates.Rates
  const origins = yield* listed(options.origins ?? ["same"])

  const mayAsk = ({ headers, url }: Request): boolean => {
    const origin = headers.get("origin")
    if (origin === null) return requireOrigin !== true
    if (origins === "any") return true
    const given = normalize(origin)
    return given !== undefined && (origins.has(given) || origins.has("same") && given === new URL(url).origin)
  }

  return Doors.of({
    enter: Effect.fnUntraced(function*(request, room) {
      if (!mayAsk(request)) return yield* Problem.make(403, "Pages of this origin may not enter.")
      const address = addressHeader === false ? undefined : yield* addressOf(request.headers.get(addressHeader))
      const seconds = address && (yield* rates.take("connects", address))
      if (seconds) {
        return yield* Problem.make(429, "This address connects too often.", { "retry-after": `${seconds}` })
      }
      const principal = yield* authenticator.authenticate(request)
      if (!Principal.mayEnter(principal, room) || !permissions(principal, room).join) {
        return yield* Problem.make(403, "You may not enter this room.")
      }
      return Principal.toClaims(principal, address)
    }),
    strip: Bearer.stripRequest
  })
})

const listed = (
  origins: ReadonlyArray<string> | "any"
): Effect.Effect<ReadonlySet<string> | "any", InvalidOption> => {
  if (origins === "any") return Effect.succeed(origins)
  const normalized = new Set<string>()
  for (const origin of origins) {
    const form = origin === "same" ? origin : normalize(origin)
    if (form === undefined) {
      return new InvalidOption({ option: "origins", detail: `${JSON.stringify(origin)} is no origin.` })
    }
    normalized.add(form)
  }
  return Effect.succeed(normalized)
}

/**
 * An origin as a browser writes it: a scheme and a host in lower case, and a port where it is not the scheme's own.
 * `undefined` for anything else.
 */
const normalize = (origin: string): string | undefined => {
  if (origin === "null") return origin
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@\\]+$/i.test(origin) || !URL.canParse(origin)) return undefined
  const { host, protocol } = new URL(origin)
  return `${protocol}//${host.toLowerCase()}`
}

// Whoever has one address of IPv6 has all of its network.
const addressOf = (text: string | null): Effect.Effect<string | undefined, Problem.Problem> => {
  if (text === null) return Effect.undefined
  const address = NetAddress.ipFromString(text)
  if (Result.isFailure(address)) return Problem.make(400, "The address of the client is none.")
  const ip = address.success
  if (NetAddress.isIpv4Address(ip)) return Effect.succeed(NetAddress.formatIp(ip))
  const mapped = NetAddress.fromIpv4Mapped(ip)
  if (Option.isSome(mapped)) return Effect.succeed(NetAddress.formatIp(mapped.value))
  const network = NetAddress.ipv6ToSegments(ip).slice(0, 4).map((segment) => segment.toString(16))
  return Effect.succeed(`${network.join(":")}::/64`)
}
