/*
 * A name server inside the test, on one loopback address for UDP and TCP. Its zone is a table of rows; a word in the
 * name asked for changes how it behaves:
 *
 *   silent     no answer                     servfail  SERVFAIL
 *   spoofed    forged replies come first     cut       TC over UDP, the whole answer over TCP
 *   tcpsilent  TC over UDP, silence there    tcpclose  TC over UDP, the connection is closed
 *   tcpforged  TC over UDP, a forged reply over TCP
 */
#ifndef TESTS_UNIT_RT_NAMESERVER_H
#define TESTS_UNIT_RT_NAMESERVER_H

#include "xfed/rt/listener.h"
#include "xfed/rt/udp.h"

struct ns_row {
	const char *name, *type, *value;
};

#define NS_LOG_MAX 256

struct ns {
	struct rt_loop *loop;
	struct rt_udp *udp;
	struct rt_listener *tcp;
	const struct ns_row *rows;
	bool sets_ad, is_silent, fails;
	unsigned udp_queries, tcp_queries;
	struct {
		uint16_t port, id;
	} log[NS_LOG_MAX]; /* of udp_queries */
	char text[64];	   /* its address, for the resolver's options */
};

/* `rows` end with a row of NULLs. Port 0: the kernel chooses. */
void ns_start(struct ns *n, struct rt_loop *l, const char *address, const struct ns_row *rows);

#endif
