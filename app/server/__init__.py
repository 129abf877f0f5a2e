"""gunicorn, mended where its threaded worker loses requests or waits for clients. `gunicorn.conf.py` puts it together.

What it does without each mend was seen in gunicorn 27.0.1, and in 26.0.0 and 27.0.0 unless it says otherwise. For each,
a test of `tests/unit/server/test_gunicorn.py` runs gunicorn's own worker; on an upgrade it fails when the mend can go.
Upstream, open or closed is as it was last seen.

`ListeningWorker.set_accept_enabled` (`listening.py`)
    A stop resets the connections that the kernel has accepted and the worker has not, with the requests in them.
    Upstream: https://github.com/benoitc/gunicorn/pull/3612 (open)
    Upstream: https://github.com/benoitc/gunicorn/issues/3397 (open)
    Upstream: https://github.com/benoitc/gunicorn/issues/2409 (closed)
    Upstream: https://github.com/benoitc/gunicorn/issues/922 (closed)
    Test: at_the_stop_connections_that_only_the_kernel_has_accepted_are_reset
`ListeningWorker.accept` (`listening.py`)
    A worker that has no file descriptor left for a connection dies, and all its requests with it.
    Upstream: none found for this worker; https://github.com/benoitc/gunicorn/issues/49 (closed) is about another
    Test: without_file_descriptors_the_worker_dies
`Worker.get_thread_pool` and `Worker._unless_starved` (`worker.py`)
    A worker that has no memory for another thread, or for what a client sends, dies, and all its requests with it.
    Upstream: none found
    Test: without_memory_for_a_thread_the_worker_dies
`Worker.handle_error` (`worker.py`)
    A request for which there is no memory is answered 500, as if it was not to be repeated.
    Upstream: none found
    Test: without_memory_a_request_is_answered_500
`Worker`, with `Incoming` and `Received` (`worker.py`, `incoming.py`)
    A client that sends a request slowly holds a thread for as long as it likes: only its first byte has a time limit.
    Upstream: https://github.com/benoitc/gunicorn/issues/2652 (closed)
    Upstream: https://github.com/benoitc/gunicorn/pull/3519 (merged: a limit for the first byte)
    Upstream: https://github.com/benoitc/gunicorn/pull/3635 (open: the main thread waits for the first byte)
    Test: a_client_that_sends_slowly_holds_a_thread
`Worker.init_signals` (`worker.py`)
    A worker that is told to stop right after its fork does not hear it, and is killed at the graceful time-out, 30 s
    later: an instance that is stopped while its workers start takes as long to end.
    Upstream: https://github.com/benoitc/gunicorn/issues/1910 (closed)
    Test: a_worker_that_is_told_to_stop_right_after_its_fork_goes_on
`Worker.set_accept_enabled` (`worker.py`)
    A connection that has sent nothing holds up a stop until the graceful time-out.
    Upstream: none found; https://github.com/benoitc/gunicorn/pull/3635 (open) gives such connections a time limit
    Test: a_client_that_is_silent_holds_up_the_stop
`Worker._linger` (`worker.py`)
    After the last reply on a connection, the main thread waits for the client to close its side, up to 2 s. Nobody else
    is served meanwhile.
    Upstream: none found; https://github.com/benoitc/gunicorn/pull/3590 (merged) brought it
    Test: a_client_that_does_not_close_its_side_holds_the_main_thread
`Worker._keepalive_after` (`worker.py`)
    A chunked body that cannot be read, and that the application did not read, gets a second answer after the first. Not
    in 26.0.0.
    Upstream: none found; https://github.com/benoitc/gunicorn/pull/3721 (merged) brought it
    Test: a_body_that_nobody_can_read_gets_a_second_answer
`Reply.send_headers` (`reply.py`)
    A reply is written in two parts, so that a worker that is killed between them leaves half of it.
    Upstream: none found
    Test: a_reply_is_written_in_two_parts
`Reply._send_slowly` (`reply.py`)
    A client that does not receive its reply holds a thread for as long as it likes.
    Upstream: https://github.com/benoitc/gunicorn/issues/3155 (open)
    Upstream: https://github.com/benoitc/gunicorn/issues/2652 (closed)
    Test: a_client_that_does_not_receive_holds_a_thread
`GunicornLog.warning` (`log.py`)
    What a client sent and gunicorn cannot read is written to the log, and may hold a token.
    Upstream: none found
    Test: what_a_client_sent_that_cannot_be_read_is_logged
"""
