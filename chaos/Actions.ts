/**
 * What clients and callers do in a chaos run: each action is told to the model, taken in the world, and confirmed with
 * what came of it.
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as CloseCode from "../src/domain/CloseCode.ts"
import type { Connection, Model } from "./Model.ts"
import type * as Step from "./Step.ts"
import * as Token from "./Token.ts"
import * as Verdict from "./Verdict.ts"
import { type Answer, type Client, type Kind, type Received, Unanswered, type World } from "./World.ts"

/** Something is not as the model says. */
export class Wrong extends Data.TaggedError("Wrong")<{ readonly problems: ReadonlyArray<string> }> {}

export const wrong = (...problems: ReadonlyArray<string>) => Effect.fail(new Wrong({ problems }))

const unless = (problems: ReadonlyArray<string>) => problems.length === 0 ? Effect.void : wrong(...problems)

/** How long anything may take, in milliseconds. */
const limit = 20_000

/** When a token was issued, in milliseconds from now. */
const issued = { "long ago": -60_000, now: 0, later: 6_000 }

type Acted<A = void> = Effect.fn.Return<A, Unanswered | Wrong>

/** Makes the actions of a run in a world. `tell` writes down what is done. */
export const make = (world: World, kind: Kind, model: Model, tell: (line: string) => void) => {
  const { call, now } = world
  const { tick } = kind
  const clients = new Map<Connection, Client>()

  // Those of whom there are none take no step.
  const whoever = (who: number, reads: boolean): readonly [Connection, Client] | undefined => {
    const all = model.open.filter(({ unread }) => !reads || unread === undefined)
    const connection = all[who % Math.max(1, all.length)]
    const client = connection && clients.get(connection)
    return client === undefined ? undefined : [connection!, client]
  }

  const until = Effect.fnUntraced(function*<A>(
    what: string,
    check: Effect.Effect<A | undefined, Unanswered | Wrong>
  ): Acted<A> {
    const from = yield* now
    for (;;) {
      const found = yield* check
      if (found !== undefined) return found
      if ((yield* now) > from + limit) return yield* new Unanswered({ what })
      yield* world.sleep(tick / 5)
    }
  })

  const look = Effect.gen(function*() {
    const report = yield* call("look", null)
    yield* unless(Verdict.verify(model, report, yield* now, false))
    return report
  })

  const isOpen = ({ name }: Connection) =>
    Effect.map(call("look", null), ({ open }) => open.some((other) => other.name === name))

  // Until the room has noticed that somebody has gone.
  const noticed = (connection: Connection) =>
    until(
      `nobody noticed that ${connection.name} has gone`,
      Effect.map(isOpen(connection), (is) => is ? undefined : true)
    )

  /** Those whose tokens have ended are closed: a client sees it while nobody disturbs the room. */
  const expire = Effect.gen(function*() {
    for (const connection of model.expired(yield* now)) {
      const { expiresAt, name, unread } = connection
      const ending = model.end(connection, [CloseCode.expired], expiresAt)
      const client = clients.get(connection)!
      tell(`  the token of ${name} has ended`)
      if (unread !== undefined) yield* noticed(connection)
      else {
        const code = yield* until(
          `the close of ${name}, whose token has ended`,
          Effect.map(client.received, ({ closed }) => closed)
        )
        if (code !== CloseCode.expired) return yield* wrong(`${name} was closed with ${code} when its token had ended`)
      }
      ending.confirm(yield* now)
    }
  })

  const vanish = (connection: Connection) =>
    Effect.suspend(() => {
      const client = clients.get(connection)
      clients.delete(connection)
      return client?.vanish ?? Effect.void
    })

  const leaving = (
    found: readonly [Connection, Client] | undefined,
    code: number,
    how: string,
    leave: (connection: Connection, client: Client) => Effect.Effect<unknown, Unanswered | Wrong>
  ) => {
    if (found === undefined) return Effect.void
    const [connection, client] = found
    tell(`${connection.name} ${how}`)
    return Effect.gen(function*() {
      const { confirm } = model.end(connection, [code], yield* now)
      yield* leave(connection, client)
      confirm(yield* now)
    })
  }

  // Sends frames, and waits until each is answered or the connection has ended. What came is confirmed.
  const ask = Effect.fnUntraced(function*(
    { name }: Connection,
    client: Client,
    frames: ReadonlyArray<string>,
    confirm: (answers: ReadonlyArray<Answer>, code: number | undefined, to: number) => ReadonlyArray<string>
  ): Acted {
    const before = (yield* client.received).answers.length
    for (const frame of frames) yield* client.send(frame)
    const { answers, closed } = yield* until<Received>(
      `what ${name} said`,
      Effect.map(
        client.received,
        (received) =>
          received.closed !== undefined || received.answers.length >= before + frames.length ? received : undefined
      )
    )
    if (closed === CloseCode.abnormal) return yield* new Unanswered({ what: `what ${name} said` })
    yield* unless(confirm(answers.slice(before), closed, yield* now))
  })

  const say = Effect.fnUntraced(function*(
    connection: Connection,
    client: Client,
    numbers: ReadonlyArray<number>,
    takes: number
  ): Acted {
    const confirm = model.say(connection, numbers, takes, yield* now)
    const frames = numbers.map((said, index) => JSON.stringify({ said, takes: index === 0 ? takes : 0 }))
    yield* ask(connection, client, frames, confirm)
  })

  const tokenOf = (user: string, { issued: when, lasts }: Step.Pass) =>
    Effect.map(now, (now): Token.Token => ({
      user,
      issuedAt: now + issued[when],
      ...(lasts === undefined ? {} : { expiresAt: now + lasts * tick })
    }))

  const describe = ({ user }: Token.Token, { issued, lasts }: Step.Pass) =>
    `a token of ${user}, issued ${issued}${lasts === undefined ? "" : `, that ends in ${lasts * tick} ms`}`

  const connect = Effect.fnUntraced(function*(lingering: number, pass: Step.Pass | undefined): Acted {
    const from = yield* now
    const token = pass && (yield* tokenOf(`u${pass.user}`, pass))
    const connection = model.connect(lingering * tick, token, from)
    const { lingers, name } = connection
    tell(
      `${name} enters${pass && token ? ` with ${describe(token, pass)}` : ""}` +
        (lingers > 0 ? `, and its close will take ${lingers} ms` : "")
    )
    const query = `?name=${name}&lingers=${lingers}` +
      (token === undefined ? "" : `&token=${encodeURIComponent(Token.encode(token))}`)
    const entered = yield* Effect.result(world.connect(query))
    const to = yield* now
    const mayEnter = model.lets(token, from, to)
    if (entered._tag === "Success") {
      clients.set(connection, entered.success)
      connection.id = entered.success.id
      if (mayEnter === false) return yield* wrong(`${name} was let in`)
    } else if (entered.failure._tag === "Refused") {
      const { status } = entered.failure
      model.refuse(connection)
      if (status !== 401 || mayEnter === true) return yield* wrong(`${name} was refused with ${status}`)
    } else if (connection.expiresAt > to) return yield* entered.failure
    // Its token has ended on the way.
    else model.end(connection, [CloseCode.expired], from).confirm(to)
  })

  // Those who read get it, and who does not read is closed sooner or later.
  const shout = Effect.fnUntraced(function*(): Acted {
    const from = yield* now
    const token = model.token()
    const readers = model.open.filter(({ unread }) => unread === undefined)
    const others = model.open.filter(({ unread }) => unread !== undefined)
    const endings = others.map((connection) => model.end(connection, [CloseCode.slow], from))
    for (const { shouts } of readers) shouts.push(token)
    tell(`everybody is told ${token}, in ${kind.shout} bytes`)
    yield* call("shout", { token, bytes: kind.shout })
    for (const [index, connection] of others.entries()) {
      const { name, unread = 0 } = connection
      if (!(yield* isOpen(connection))) {
        tell(`  ${name}, who does not read, is closed`)
        endings[index]!.confirm(yield* now)
        yield* vanish(connection)
        continue
      }
      endings[index]!.undo()
      if (unread > kind.unread) return yield* wrong(`${unread} bytes wait for ${name}, who does not read`)
      connection.unread = unread + kind.shout
    }
    for (const connection of readers) {
      const { expiresAt, name, shouts } = connection
      const client = clients.get(connection)!
      const received = yield* until<Received>(
        `${name} did not get ${token}`,
        Effect.map(
          client.received,
          (received) => received.closed !== undefined || received.shouts.includes(token) ? received : undefined
        )
      )
      if (received.closed !== undefined && expiresAt <= (yield* now)) continue
      if (received.shouts.join() !== shouts.join()) {
        return yield* wrong(`${name} was told ${received.shouts.join()}, and not ${shouts.join()}`)
      }
    }
  })

  const act = Effect.fnUntraced(function*(action: Step.Action): Acted {
    switch (action._tag) {
      case "Look":
        tell("look")
        yield* look
        return
      case "Speak": {
        const found = whoever(action.who, true)
        if (found === undefined) return
        const said = model.token()
        tell(`${found[0].name} says ${said}`)
        return yield* say(...found, [said], 0)
      }
      case "Flood": {
        const found = whoever(action.who, true)
        if (found === undefined) return
        const numbers = Array.from({ length: action.count }, () => model.token())
        const takes = action.takes * tick
        tell(
          `${found[0].name} says ${numbers.length} numbers at once, from ${numbers[0]} on` +
            (takes > 0 ? `, of which the first takes ${takes} ms` : "")
        )
        return yield* say(...found, numbers, takes)
      }
      case "Write": {
        const { confirm, write: { token } } = model.write(action.rows)
        tell(`write ${token} of ${action.rows} rows${action.fails ? ", which is rolled back" : ""}`)
        const isKept = yield* call("write", { ...action, token })
        if (isKept === action.fails) return yield* wrong(`write ${token} was answered with ${isKept}`)
        return confirm(isKept)
      }
      case "Connect":
        return yield* connect(action.lingers, action.pass)
      case "Refresh": {
        const found = whoever(action.who, true)
        if (found === undefined) return
        const [connection, client] = found
        const own = action.isOwn ? connection.user : undefined
        const token = yield* tokenOf(own ?? `u${action.pass.user}`, action.pass)
        tell(`${connection.name} sends ${describe(token, action.pass)}`)
        const confirm = model.refresh(connection, token, yield* now)
        const frame = JSON.stringify({ _tag: "Refresh", token: Token.encode(token) })
        return yield* ask(connection, client, [frame], confirm)
      }
      case "CloseOut": {
        const user = `u${action.user}`
        tell(`${user} is closed out`)
        const confirm = model.closeOut(user, yield* now)
        const closed = yield* call("closeUser", { user })
        return yield* unless(confirm(closed, yield* now))
      }
      case "Stall": {
        const [connection, client] = whoever(action.who, true) ?? []
        if (connection === undefined) return
        tell(`${connection.name} reads nothing any more`)
        connection.unread = 0
        return yield* client!.stall
      }
      case "Shout":
        for (let time = 0; time < action.times; time++) yield* shout()
        return
      case "Leave":
        return yield* leaving(
          whoever(action.who, true),
          action.code ?? CloseCode.noStatus,
          `leaves with ${action.code ?? "no code"}`,
          (_, client) => client.leave(action.code)
        )
      case "Kick":
        return yield* leaving(
          whoever(action.who, false),
          action.code,
          `is closed with ${action.code}`,
          ({ expiresAt, name }, { id }) =>
            Effect.gen(function*() {
              const had = yield* call("kick", { id, code: action.code })
              if (!had && expiresAt > (yield* now)) return yield* wrong(`${name} was not there any more`)
            })
        )
      case "Vanish":
        return yield* leaving(
          whoever(action.who, false),
          CloseCode.abnormal,
          "vanishes",
          (connection) => Effect.andThen(vanish(connection), noticed(connection))
        )
      case "Cancel": {
        const key = `k${action.key}`
        tell(`cancel ${key}`)
        const confirm = model.cancel(key, yield* now)
        const had = yield* call("cancel", { key })
        return yield* unless(confirm(had, yield* now))
      }
      case "Set": {
        const [owner, client] = action.who === undefined ? [] : whoever(action.who, false) ?? []
        const [key, after, takes] = [`k${action.key}`, action.after * tick, action.takes * tick]
        const from = yield* now
        const { fails } = action
        const { confirm, task } = model.set({ key, at: from + after, takes, fails, owner }, from)
        const { at, token } = task
        tell(
          `set task ${token} under ${key}, due in ${after} ms${owner ? `, of ${owner.name}` : ""}` +
            (takes > 0 ? `, which takes ${takes} ms` : "") + (fails > 0 ? `, which fails ${fails} times` : "")
        )
        const isSet = yield* call("set", {
          key,
          at,
          task: { token, takes, fails },
          ...(client === undefined ? {} : { connection: client.id })
        })
        const to = yield* now
        confirm(isSet, to)
        return isSet || owner !== undefined && owner.expiresAt <= to
          ? undefined
          : yield* wrong(`task ${token} was refused`)
      }
    }
  })

  return {
    act,
    expire,
    look,
    /** Nobody is there any more. */
    forget: () => clients.clear(),
    /** Whether somebody does not read what it was sent. */
    somethingWaits: () => [...clients.keys()].some(({ unread = 0 }) => unread > 0)
  }
}
