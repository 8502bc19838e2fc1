// A certified OpenID provider, npm oidc-provider, with one client; people get in with any password, and are in the groups that are given.
// node provider.mjs PORT REDIRECT_URI ALGORITHM SECRET GROUP…; without a secret ("") the client is public.

import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const [port, redirect, algorithm, secret, ...groups] = process.argv.slice(2);
const key = algorithm === "ES256" ? generateKeyPairSync("ec", { namedCurve: "P-256" }) : generateKeyPairSync("rsa", { modulusLength: 2048 });
const client = { client_id: "dashboard", redirect_uris: [redirect], id_token_signed_response_alg: algorithm };
const provider = new Provider(`http://127.0.0.1:${port}`, {
  clients: [secret ? { ...client, client_secret: secret } : { ...client, token_endpoint_auth_method: "none" }],
  claims: { openid: ["sub"], profile: ["preferred_username", "groups"], email: ["email", "email_verified"] },
  conformIdTokenClaims: false, // the claims of the scopes stand in the ID token, as Keycloak, Entra and Okta put them there
  cookies: { keys: ["only of this test"] },
  enabledJWA: { idTokenSigningAlgValues: [algorithm] },
  findAccount: (_, sub) => ({ accountId: sub, claims: () => ({ sub, preferred_username: sub, groups }) }),
  jwks: { keys: [{ ...key.privateKey.export({ format: "jwk" }), alg: algorithm, use: "sig" }] },
  pkce: { required: () => true },
});
provider.listen(Number(port), "127.0.0.1", () => console.log("ready"));
