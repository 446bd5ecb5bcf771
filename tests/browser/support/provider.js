/** A real OpenID Connect provider (oidc-provider, certified), with its own sign-in pages, for people who exist only here. */
import { generateKeyPairSync } from "node:crypto";

import Provider from "oidc-provider";

/** Its people, by the name that they sign in with. The provider takes any password. */
const PEOPLE = {
  ann: { roles: ["staff", "manager"], campaigns: ["alpha"] },
  bob: { roles: ["visitor"], campaigns: "*" },
};

export class IdentityProvider {
  #server;

  /**
   * @param {{ port: number, clients: { id: string, secret?: string, redirect: string }[] }} wishes
   */
  static async start({ port, clients }) {
    const provider = new IdentityProvider();
    provider.issuer = IdentityProvider.issuerAt(port);
    const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
    const oidc = new Provider(provider.issuer, {
      clients: clients.map(({ id, secret, redirect }) => ({
        client_id: id,
        ...(secret ? { client_secret: secret } : { token_endpoint_auth_method: "none" }),
        redirect_uris: [redirect],
        grant_types: ["authorization_code"],
        response_types: ["code"],
      })),
      jwks: { keys: [{ ...privateKey.export({ format: "jwk" }), kid: "first", use: "sig", alg: "RS256" }] },
      cookies: { keys: ["only here"] },
      pkce: { required: () => true },
      scopes: ["openid", "work"],
      claims: { openid: ["sub"], work: ["roles", "campaigns"] },
      conformIdTokenClaims: false,
      findAccount: (_, id) => ({ accountId: id, claims: () => ({ sub: id, ...PEOPLE[id] }) }),
    });
    await new Promise((resolve, reject) => {
      provider.#server = oidc.listen(port, "127.0.0.1", resolve);
      provider.#server.once("error", reject);
    });
    return provider;
  }

  /** Another site than Ringside's to a browser: `localhost` is not `127.0.0.1`. */
  static issuerAt(port) {
    return `http://localhost:${port}`;
  }

  async stop() {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** Signs in on the provider's own pages, up to the way back. */
export async function signInThere(page, person) {
  await enter(page, person);
  await page.getByRole("button", { name: "Continue" }).click();
}

/** The same, but the browser stays there: returns the address that leads back. */
export async function signInAndStay(page, person, back) {
  await enter(page, person);
  await page.getByRole("button", { name: "Continue" }).waitFor();
  const { request } = page.context();
  const action = await page.locator("form").getAttribute("action");
  let answer = await request.post(action, { form: { prompt: "consent" }, maxRedirects: 0 });
  for (;;) {
    const next = new URL(answer.headers().location, answer.url()).href;
    if (next.startsWith(back)) return next;
    answer = await request.get(next, { maxRedirects: 0 });
  }
}

async function enter(page, person) {
  await page.getByPlaceholder("Enter any login").fill(person);
  await page.getByPlaceholder("and password").fill("whatever");
  await page.getByRole("button", { name: "Sign-in" }).click();
}
