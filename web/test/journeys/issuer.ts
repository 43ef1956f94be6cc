// A small OpenID provider: discovery, keys, an authorisation endpoint at which everybody consents, and a token
// endpoint that checks the client, the redirect URL, PKCE, and that a code is used once.
import { createHash, generateKeyPairSync, randomUUID, sign } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'

/** The one client that it knows. */
export const client = 'kalla'
export const secret = 's3cret&'

const base64 = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** Starts one at a port that vouches for a person of this address. */
export async function startIssuer(
  port: number,
  person: { email: string; name: string },
): Promise<{ stop: () => Promise<void> }> {
  const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const url = `http://127.0.0.1:${port}`
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
      asked.get('code_challenge') === challenge
    if (!right) return undefined
    const now = Math.floor(Date.now() / 1000)
    const claims = { iss: url, aud: client, sub: 'u-1', iat: now, exp: now + 3600, email_verified: true, ...person }
    const head = `${base64({ alg: 'RS256', kid: 'k1' })}.${base64({ ...claims, nonce: asked.get('nonce') })}`
    const signature = sign('sha256', Buffer.from(head), privateKey).toString('base64url')
    return { access_token: 'a', token_type: 'Bearer', expires_in: 60, id_token: `${head}.${signature}` }
  }

  const server = createServer((request, response) => {
    const asked = new URL(request.url ?? '/', url)
    const answer = (body: object | undefined, status = body ? 200 : 400) =>
      response
        .writeHead(status, { 'Content-Type': 'application/json' })
        .end(JSON.stringify(body ?? { error: 'invalid_grant' }))
    switch (asked.pathname) {
      case '/.well-known/openid-configuration':
        answer({
          issuer: url,
          authorization_endpoint: `${url}/authorize`,
          token_endpoint: `${url}/token`,
          jwks_uri: `${url}/keys`,
          id_token_signing_alg_values_supported: ['RS256'],
          response_types_supported: ['code'],
          subject_types_supported: ['public'],
        })
        return
      case '/keys':
        answer({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1', alg: 'RS256', use: 'sig' }] })
        return
      case '/authorize': {
        const code = randomUUID()
        codes.set(code, asked.searchParams)
        const back = new URLSearchParams({ code, state: asked.searchParams.get('state') ?? '' })
        const to = `${asked.searchParams.get('redirect_uri') ?? ''}?${back.toString()}`
        response.writeHead(302, { Location: to }).end()
        return
      }
      case '/token':
        token(request).then(answer, () => answer({ error: 'server_error' }, 500))
        return
      default:
        answer({ error: 'not_found' }, 404)
    }
  }).listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    stop: async () => {
      server.close()
      server.closeAllConnections()
      await once(server, 'close')
    },
  }
}
