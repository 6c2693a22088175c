/* Commands on standard input, one a line; each is answered by one line of JSON. See README.md. */
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WORDS_MAX  32
#define EVENTS_MAX 256
#define WAIT_US	   60000000 /* for streams to open, a connection, a link */

int load_epoll;
const char *load_certs;

static struct xfed_buf input;
static bool is_over, is_running;
static bool (*waits_for)(void); /* the command under way; NULL: none */
static uint64_t command_us;

uint64_t load_now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

void load_die(const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	fputs("load: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
	exit(1);
}

const char *load_find(struct xfed_span s, const char *pattern)
{
	return s.len > 0 ? memmem(s.data, s.len, pattern, strlen(pattern)) : NULL;
}

/* ---- commands ---- */

static bool at_once(void)
{
	return true;
}

static enum load_transport transport_of(const char *word)
{
	return strcmp(word, "udp") == 0 ? LOAD_UDP : strcmp(word, "tcp") == 0 ? LOAD_TCP : LOAD_TLS;
}

static uint16_t port_of(const char *word)
{
	return (uint16_t)atoi(word);
}

/* listen DOMAIN LEAF PORT SM */
static void do_listen(char **w, int n)
{
	load_partner_listen(w[1], w[2], port_of(w[3]), atoi(w[4]) != 0);
	waits_for = at_once;
}

/* open PORT DOMAIN LOCAL LEAF FIRST COUNT */
static void do_open(char **w, int n)
{
	load_partner_open(port_of(w[1]), w[2], w[3], w[4], (unsigned)atoi(w[5]), (unsigned)atoi(w[6]));
	waits_for = load_partner_opened;
}

/* hop TRANSPORT PORT SILENT */
static void do_hop(char **w, int n)
{
	load_hop(transport_of(w[1]), port_of(w[2]), atoi(w[3]) != 0);
	waits_for = at_once;
}

/* dial TRANSPORT PORT */
static void do_dial(char **w, int n)
{
	load_dial_sip(transport_of(w[1]), port_of(w[2]));
	waits_for = load_sip_dialled;
}

/* dead 0|1 */
static void do_dead(char **w, int n)
{
	load_set_dead(atoi(w[1]) != 0);
	waits_for = at_once;
}

/* deaf DOMAIN 0|1 */
static void do_deaf(char **w, int n)
{
	load_partner_set_deaf(w[1], atoi(w[2]) != 0);
	waits_for = at_once;
}

/* gateway PORT NAME LEAF CREDIT PARTNER CONNECT_PORT LOCAL... */
static void do_gateway(char **w, int n)
{
	load_gateway(port_of(w[1]), w[2], w[3], atoi(w[4]) != 0, (const char *const *)w + 7, (size_t)n - 7, w[5], port_of(w[6]));
	waits_for = load_gateway_is_up;
}

/* run FLOW... */
static void do_run(char **w, int n)
{
	for (int i = 1; i < n; i++) {
		if (!load_flow_new(w[i])) {
			load_die("this flow does not make sense: %s", w[i]);
		}
	}
	is_running = true;
	waits_for = load_flows_done;
	load_flows_start();
}

static void do_quit(char **w, int n)
{
	is_over = true;
	waits_for = at_once;
}

static const struct command {
	const char *name;
	int words; /* at least */
	void (*run)(char **w, int n);
} commands[] = {
	{ "listen", 5, do_listen },
	{ "open", 7, do_open },
	{ "hop", 4, do_hop },
	{ "dial", 3, do_dial },
	{ "dead", 2, do_dead },
	{ "deaf", 3, do_deaf },
	{ "gateway", 8, do_gateway },
	{ "run", 2, do_run },
	{ "quit", 1, do_quit },
};

static void execute(char *line)
{
	char *words[WORDS_MAX + 1], *save;
	int n = 0;
	for (char *w = strtok_r(line, " ", &save); w && n < WORDS_MAX; w = strtok_r(NULL, " ", &save)) {
		words[n++] = w;
	}
	words[n] = NULL;
	for (size_t i = 0; n > 0 && i < XFED_ARRAY_LEN(commands); i++) {
		if (strcmp(words[0], commands[i].name) == 0 && n >= commands[i].words) {
			command_us = load_now_us();
			commands[i].run(words, n);
			return;
		}
	}
	load_die("unknown command: %s", n ? words[0] : "");
}

static void next_command(void)
{
	struct xfed_span in = xfed_buf_span(&input);
	const char *lf = waits_for || in.len == 0 ? NULL : memchr(in.data, '\n', in.len);
	if (lf) {
		char *line = strndup(in.data, (size_t)(lf - in.data));
		xfed_buf_consume(&input, (size_t)(lf + 1 - in.data));
		execute(line);
		free(line);
	}
}

static void finish_command(void)
{
	if (is_running) {
		load_flows_print(stdout);
		load_flows_free();
		is_running = false;
	} else {
		printf("{\"streams\":%u,\"wall_us\":%llu}\n", load_partner_open_count(), (unsigned long long)(load_now_us() - command_us));
		fflush(stdout);
	}
	waits_for = NULL;
}

static void stdin_ready(struct load_source *s, uint32_t events)
{
	char *to = xfed_buf_reserve(&input, 4096);
	ssize_t n = to ? read(0, to, 4096) : 0;
	if (n <= 0) {
		is_over = true;
		return;
	}
	xfed_buf_commit(&input, (size_t)n);
}

/* ---- the loop ---- */

static int wait_ms(void)
{
	int wait = 200, flows = is_running ? load_flows_wait_ms() : -1, gateway = load_gateway_wait_ms();
	wait = flows >= 0 && flows < wait ? flows : wait;
	return gateway >= 0 && gateway < wait ? gateway : wait;
}

static void turn(void)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(load_epoll, events, EVENTS_MAX, wait_ms());
	for (int i = 0; i < n; i++) {
		struct load_source *s = events[i].data.ptr;
		s->ready(s, events[i].events);
	}
	next_command();
	if (is_running) {
		load_flows_pump();
	}
	load_partner_ask_acks();
	load_conns_flush();
	load_gateway_turn();
	if (waits_for && waits_for()) {
		finish_command();
	} else if (waits_for && !is_running && load_now_us() - command_us > WAIT_US) {
		load_die("nothing came within a minute");
	}
}

int main(int argc, char **argv)
{
	static struct load_source standard_input = { stdin_ready };
	if (argc != 2) {
		fprintf(stderr, "usage: load CERTIFICATES; commands on standard input\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	load_certs = argv[1];
	xfed_buf_init(&input, 1024 * 1024);
	load_epoll = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = &standard_input };
	if (load_epoll < 0 || epoll_ctl(load_epoll, EPOLL_CTL_ADD, 0, &ev) < 0) {
		load_die("epoll: %s", strerror(errno));
	}
	while (!is_over) {
		turn();
	}
	return 0;
}
