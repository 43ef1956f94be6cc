// A small OpenID provider: discovery, keys, an authorisation endpoint at which everybody consents, and a token
// endpoint that checks the client, the redirect URL, PKCE, and that a code is used once.
import { createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

export interface Issuer {
  url: string
  client: string
  secret: string
  stop: () => Promise<void>
}

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Starts one that vouches for a person of this address. */
export async function startIssuer(person: { email: string; name: string }): Promise<Issuer> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const [client, secret] = ['kalla', 's3cret&']
  const codes = new Map<string, URLSearchParams>()

  async function token(request: IncomingMessage): Promise<object | undefined> {
    const form = new URLSearchParams(await text(request))
    const [id, given] = Buffer.from(request.headers.authorization?.replace('Basic ', '') ?? '', 'base64')
      .toString()
      .split(':')
    const asked = codes.get(form.get('code') ?? '')
    codes.delete(form.get('code') ?? '')
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url')
    const right =
      id === client &&
      decodeURIComponent(given ?? '') === secret &&
      asked?.get('redirect_uri') === form.get('redirect_uri') &&
      asked?.get('code_challenge') === challenge
    if (!right) return undefined
    const now = Math.floor(Date.now() / 1000)
    const claims = { iss: url, aud: client, sub: 'u-1', iat: now, exp: now + 3600, email_verified: true, ...person }
    const head = `${base64({ alg: 'RS256', kid: 'k1' })}.${base64({ ...claims, nonce: asked?.get('nonce') })}`
    const signature = sign('sha256', Buffer.from(head), privateKey).toString('base64url')
    return { access_token: 'a', token_type: 'Bearer', expires_in: 60, id_token: `${head}.${signature}` }
  }

  const server = createServer((request, response) => {
    const asked = new URL(request.url ?? '/', url)
    const answer = (body: object | undefined) =>
      response
        .writeHead(body ? 200 : 400, { 'Content-Type': 'application/json' })
        .end(JSON.stringify(body ?? { error: 'invalid_grant' }))
    switch (asked.pathname) {
      case '/.well-known/openid-configuration':
        return answer({
          issuer: url,
          authorization_endpoint: `${url}/authorize`,
          token_endpoint: `${url}/token`,
          jwks_uri: `${url}/keys`,
          id_token_signing_alg_values_supported: ['RS256'],
          response_types_supported: ['code'],
          subject_types_supported: ['public'],
        })
      case '/keys':
        return answer({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'RS256', use: 'sig' }] })
      case '/authorize': {
        const code = randomUUID()
        codes.set(code, asked.searchParams)
        const back = new URLSearchParams({ code, state: asked.searchParams.get('state') ?? '' })
        return response
          .writeHead(302, { Location: `${asked.searchParams.get('redirect_uri') ?? ''}?${back.toString()}` })
          .end()
      }
      case '/token':
        return token(request).then(answer, () => response.writeHead(500).end())
      default:
        return response.writeHead(404).end()
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    client,
    secret,
    stop: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
