package shop;

import static org.springframework.security.config.Customizer.withDefaults;

import java.util.Map;
import java.util.Objects;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.context.annotation.Bean;
import org.springframework.core.annotation.Order;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.client.OAuth2AuthorizedClient;
import org.springframework.security.oauth2.client.annotation.RegisteredOAuth2AuthorizedClient;
import org.springframework.security.oauth2.client.oidc.authentication.OidcIdTokenDecoderFactory;
import org.springframework.security.oauth2.client.oidc.web.logout.OidcClientInitiatedLogoutSuccessHandler;
import org.springframework.security.oauth2.client.registration.ClientRegistration;
import org.springframework.security.oauth2.client.registration.ClientRegistrationRepository;
import org.springframework.security.oauth2.core.oidc.user.OidcUser;
import org.springframework.security.oauth2.jose.jws.SignatureAlgorithm;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtClaimValidator;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtDecoderFactory;
import org.springframework.security.oauth2.jwt.JwtValidators;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

@SpringBootApplication
@RestController
public class Shop {
  public static void main(String[] arguments) {
    SpringApplication.run(Shop.class, arguments);
  }

  @Bean
  SecurityFilterChain pages(HttpSecurity http, ClientRegistrationRepository clients) {
    var logout = new OidcClientInitiatedLogoutSuccessHandler(clients);
    logout.setPostLogoutRedirectUri("{baseUrl}/bye");
    return http.authorizeHttpRequests(to -> to.requestMatchers("/bye").permitAll().anyRequest().authenticated())
        .oauth2Login(withDefaults())
        .logout(to -> to.logoutSuccessHandler(logout))
        .oidcLogout(to -> to.backChannel(withDefaults()))
        .build();
  }

  @Bean
  @Order(1)
  SecurityFilterChain api(HttpSecurity http) {
    return http.securityMatcher("/api/**")
        .authorizeHttpRequests(to -> to.anyRequest().authenticated())
        .oauth2ResourceServer(to -> to.jwt(withDefaults()))
        .build();
  }

  @Bean
  @ConditionalOnProperty("latchkey.algorithm")
  JwtDecoderFactory<ClientRegistration> idTokens(@Value("${latchkey.algorithm}") String algorithm) {
    var decoders = new OidcIdTokenDecoderFactory();
    decoders.setJwsAlgorithmResolver(client -> SignatureAlgorithm.from(algorithm));
    return decoders;
  }

  @Bean
  JwtDecoder accessTokens(@Value("${latchkey.issuer}") String issuer, @Value("${latchkey.audience}") String audience) {
    var decoder = NimbusJwtDecoder.withIssuerLocation(issuer).validateType(false).build();
    decoder.setJwtValidator(JwtValidators.createAtJwtValidator() // RFC 9068
        .issuer(issuer)
        .audience(audience)
        .validators(rules -> rules.put("client_id", new JwtClaimValidator<>("client_id", Objects::nonNull)))
        .build());
    return decoder;
  }

  @GetMapping("/")
  Map<String, Object> page(
      @AuthenticationPrincipal OidcUser user,
      @RegisteredOAuth2AuthorizedClient("latchkey") OAuth2AuthorizedClient client) {
    return Map.of(
        "name", user.getPreferredUsername(),
        "email", user.getEmail(),
        "id_token", user.getIdToken().getTokenValue(),
        "access_token", client.getAccessToken().getTokenValue());
  }

  @GetMapping("/bye")
  String bye() {
    return "Bye";
  }

  @GetMapping("/api/hello")
  Map<String, Object> hello(@AuthenticationPrincipal Jwt token) {
    return Map.of("subject", token.getSubject(), "client", token.getClaimAsString("client_id"));
  }
}
