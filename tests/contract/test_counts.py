"""What is granted a limited number of times is never granted more often, on any store, however many ask at once."""

from app.platform import clock
from app.platform.errors import Failure
from app.recovery.allowance import MOST_REGISTRATIONS, MailAllowance
from app.security.secret_keys import SecretKeys
from app.throttle.counts import Counts
from app.throttle.guesses import MOST_GUESSES, Guesses
from tests.contract.races import InProcesses, InThreads
from tests.stores import Store

SECRETS = SecretKeys("kX9vQ2mZ7tR4wL8pN3yB6hJ1sD5fG0aC-uE_iO")
EMAIL = "ada@example.org"


def allowance(store: Store) -> MailAllowance:
    return MailAllowance(Counts(store.login_failures, SECRETS, "mails"), clock.now)


def guesses(store: Store) -> Guesses:
    return Guesses(Counts(store.login_failures, SECRETS, "code guesses"), clock.now)


def admitted(store: Store, email: str) -> bool:
    try:
        guesses(store).admit(email, "reset")
    except Failure:
        return False
    return True


def test_of_thirty_two_mails_that_sixteen_threads_would_send_twenty_go_out(store: Store, in_threads: InThreads) -> None:
    granted = in_threads(lambda _: sum(allowance(store).take(EMAIL, "email_changed") for _ in range(2)))
    assert sum(granted) == 20


def test_of_sixteen_guesses_at_once_no_more_are_answered_than_are_left(store: Store, in_threads: InThreads) -> None:
    for _ in range(MOST_GUESSES - 5):
        assert admitted(store, EMAIL)
    assert in_threads(lambda _: admitted(store, EMAIL)).count(True) == 5


def test_sixteen_that_replace_a_dead_code_replace_it_once(store: Store, in_threads: InThreads) -> None:
    for _ in range(MOST_GUESSES):
        assert admitted(store, EMAIL)
    in_threads(lambda _: guesses(store).replace_dead(EMAIL, "reset"))
    assert guesses(store).generation(EMAIL, "reset") == 1
    assert sum(admitted(store, EMAIL) for _ in range(MOST_GUESSES + 1)) == MOST_GUESSES


def take_in_turn(store: Store, number: int, turn: int) -> int:
    del number
    return sum(allowance(store).take_registration(f"{turn}@example.org") for _ in range(2))


def test_of_eight_registrations_that_four_processes_would_mail_three_go_out(
    store: Store, in_processes: InProcesses
) -> None:
    assert allowance(store).take_registration("unrelated@example.org")
    for granted in in_processes(take_in_turn):
        assert sum(granted) == MOST_REGISTRATIONS
