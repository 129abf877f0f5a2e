import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.KeySourceException;
import com.nimbusds.jose.jwk.JWKMatcher;
import com.nimbusds.jose.jwk.JWKSelector;
import com.nimbusds.jose.jwk.source.JWKSource;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.BadJOSEException;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jose.util.DefaultResourceRetriever;
import com.nimbusds.jose.util.JSONObjectUtils;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.MalformedURLException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.text.ParseException;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.Executors;

/** A Java application that checks Latchkey's access tokens by its published keys, without asking it. */
public class Hello {
    private static final int TIMEOUT_MS = 5_000;
    private static final int LARGEST_KEY_SET_BYTES = 64 * 1024;
    private static final long KEPT_MS = 300_000; // like the max-age of the key set
    private static final long COOLDOWN_MS = 10_000; // or tokens with unknown keys could make it fetch constantly
    private static final int CLOCK_SKEW_SECONDS = 30;

    private final JWKSource<SecurityContext> keys;
    private final DefaultJWTProcessor<SecurityContext> processor = new DefaultJWTProcessor<>();

    /** For the access tokens (RFC 9068) of this issuer that are meant for this audience. */
    Hello(String issuer, String audience) throws MalformedURLException {
        keys = JWKSourceBuilder.create(
                        URI.create(issuer + "/.well-known/jwks.json").toURL(),
                        new DefaultResourceRetriever(TIMEOUT_MS, TIMEOUT_MS, LARGEST_KEY_SET_BYTES))
                .cache(KEPT_MS, TIMEOUT_MS)
                .rateLimited(COOLDOWN_MS)
                .outageTolerant(true)
                .build();
        processor.setJWSKeySelector(new JWSVerificationKeySelector<>(JWSAlgorithm.ES256, keys));
        processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("at+jwt")));
        DefaultJWTClaimsVerifier<SecurityContext> claims = new DefaultJWTClaimsVerifier<>(
                audience, new JWTClaimsSet.Builder().issuer(issuer).build(), Set.of("sub", "exp"));
        claims.setMaxClockSkew(CLOCK_SKEW_SECONDS);
        processor.setJWTClaimsSetVerifier(claims);
    }

    public static void main(String[] arguments) throws IOException {
        Map<String, String> settings = System.getenv();
        String issuer = Objects.requireNonNull(settings.get("LATCHKEY_URL"), "set LATCHKEY_URL").replaceAll("/+$", "");
        Hello hello = new Hello(issuer, settings.getOrDefault("AUDIENCE", issuer));
        int port = Integer.parseInt(settings.getOrDefault("PORT", "8000"));

        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.createContext("/hello", hello::answer);
        server.setExecutor(Executors.newFixedThreadPool(16));
        server.start();
    }

    private void answer(HttpExchange exchange) throws IOException {
        String authorization = exchange.getRequestHeaders().getFirst("Authorization");
        if (authorization == null || !authorization.regionMatches(true, 0, "Bearer ", 0, 7)) {
            refuse(exchange, 401, "WWW-Authenticate", "Bearer", "missing_token");
            return;
        }
        try {
            JWTClaimsSet claims = processor.process(authorization.substring(7).strip(), null);
            reply(exchange, 200, Map.of("subject", claims.getSubject(), "roles", claims.getStringListClaim("roles")));
        } catch (KeySourceException unreachable) {
            // It has keys, but not this one, and may not fetch yet; or it has none and cannot check any token.
            if (hasKeys()) {
                refuse(exchange, 401, "WWW-Authenticate", "Bearer error=\"invalid_token\"", "invalid_token");
            } else {
                refuse(exchange, 503, "Retry-After", "5", "unavailable");
            }
        } catch (ParseException | BadJOSEException | JOSEException invalid) {
            refuse(exchange, 401, "WWW-Authenticate", "Bearer error=\"invalid_token\"", "invalid_token");
        }
    }

    private boolean hasKeys() {
        try {
            return !keys.get(new JWKSelector(new JWKMatcher.Builder().build()), null).isEmpty();
        } catch (KeySourceException none) {
            return false;
        }
    }

    private static void refuse(HttpExchange exchange, int status, String header, String value, String error)
            throws IOException {
        exchange.getResponseHeaders().set(header, value);
        reply(exchange, status, Map.of("error", error));
    }

    private static void reply(HttpExchange exchange, int status, Map<String, Object> content) throws IOException {
        byte[] body = JSONObjectUtils.toJSONString(content).getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(status, body.length);
        try (var output = exchange.getResponseBody()) {
            output.write(body);
        }
    }
}
