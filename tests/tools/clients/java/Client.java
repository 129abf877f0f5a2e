import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.Map;
import org.openapitools.client.ApiClient;
import org.openapitools.client.ApiException;
import org.openapitools.client.api.AccountApi;
import org.openapitools.client.api.AuthApi;
import org.openapitools.client.api.ProductsApi;
import org.openapitools.client.api.SessionsApi;
import org.openapitools.client.model.CreateProduct;
import org.openapitools.client.model.Login;
import org.openapitools.client.model.Problem;
import org.openapitools.client.model.Refresh;
import org.openapitools.client.model.Register;
import org.openapitools.client.model.TokenPair;

/** What an application does with the client that openapi-generator makes; tests/e2e/test_generated_clients.py. */
public class Client {
    public static void main(String[] args) throws Exception {
        String url = args[0], username = args[1], password = args[2];
        ApiClient client = new ApiClient();
        client.updateBaseUri(url);
        AuthApi auth = new AuthApi(client);

        String registered =
                auth.register(new Register().username(username).password(password)).getData().getUser().getId();
        TokenPair tokens = auth.login(new Login().login(username).password(password)).getData();

        ApiClient caller = new ApiClient();
        caller.updateBaseUri(url);
        caller.setRequestInterceptor( // on every request, the refresh as well
                request -> request.setHeader("Authorization", "Bearer " + tokens.getAccessToken()));

        String user = new AccountApi(caller).getMe().getData().getUser().getId();
        check(user.equals(registered));

        TokenPair renewed =
                new SessionsApi(caller).refresh(new Refresh().refreshToken(tokens.getRefreshToken())).getData();
        check(!renewed.getRefreshToken().equals(tokens.getRefreshToken()));

        Double price = new ProductsApi(caller)
                .createProduct(new CreateProduct().name("Lamp").price(1234567.89))
                .getData().getProduct().getPrice();

        try {
            auth.login(new Login().login(username).password("not the password"));
            throw new IllegalStateException("a wrong password is let in");
        } catch (ApiException refused) {
            Problem problem = client.getObjectMapper().readValue(refused.getResponseBody(), Problem.class);
            check(problem.getCode() == Problem.CodeEnum.INVALID_CREDENTIALS);
            System.out.println(new ObjectMapper().writeValueAsString(Map.of(
                    "user", user, "price", price, "code", problem.getCode().getValue(), "help", problem.getHelp())));
        }
    }

    private static void check(boolean holds) {
        if (!holds) {
            throw new IllegalStateException("not as expected");
        }
    }
}
