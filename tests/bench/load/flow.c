#include "load.h"

#include <stdlib.h>
#include <string.h>

#define ENTRIES	     (1u << 20) /* sequence numbers remembered */
#define FLOWS_MAX    16
#define PACE_SLOT_US 2000     /* a paced flow looks at the clock this often: one or a few messages each time */
#define DRAIN_US     10000000 /* after the last one was sent; what has not come back then is lost */
#define TEMPLATE_MAX 2048
#define BURST	     512 /* messages of one flow before the sockets are looked at again */

/* A prepared stanza or request: only the digits change. */
struct template
{
	char *text;
	size_t len;
	uint16_t digits[3];
};

struct load_flow {
	enum load_kind kind;
	enum load_transport transport;
	char local[128], remote[128], to[64], name[64];
	unsigned pairs, first;	     /* users "u<n>" there and "l<n>" here */
	unsigned window;	     /* flood: in flight; 0: as much as the socket takes */
	double rate;		     /* paced: a second; 0: flood */
	uint64_t count, duration_us; /* either ends it */
	unsigned drain_us;
	bool is_background; /* may lose messages, and ends with the others */

	struct template *templates;
	struct load_conn *conn;
	uint64_t started_us, last_sent_us, ended_us;
	uint64_t sent, in_flight, arrived, answered, refused, duplicates, lost;
	uint32_t *latency, *response;
	size_t latency_count, response_count, size;
	bool is_sending;
};

enum { ARRIVED = 1, ANSWERED = 2, REFUSED = 4 };

static struct entry {
	uint64_t seq, sent_us;
	struct load_flow *flow;
	unsigned done;
} entries[ENTRIES];

static struct load_flow *flows[FLOWS_MAX];
static size_t flow_count;
static uint64_t last_seq, strays;

/* ---- what to send ---- */

#define STANZA                                                                                                                                       \
	"<message from='u%u@%s/balcony-3f2a' to='%s@%s' type='chat' id='b0000000000' xml:lang='en'><body>#0000000000# Art "                          \
	"thou not Romeo? 0123456789 &amp; more</body><thread>e0ffe42b28561960c6b1</thread><active "                                                  \
	"xmlns='http://jabber.org/protocol/chatstates'/></message>"
#define QUERY "<iq from='u%u@%s/balcony-3f2a' to='%s' type='get' id='b0000000000'><ping xmlns='urn:xmpp:ping'/></iq>"
#define BODY  "#0000000000# Art thou not Romeo? 0123456789 & more"
#define REQUEST                                                                                                                                      \
	"MESSAGE sip:u%u@%s SIP/2.0\r\nVia: SIP/2.0/%s 127.0.0.1:%u;branch=z9hG4bKb0000000000\r\nMax-Forwards: 70\r\n"                               \
	"From: <sip:%s@%s>;tag=4a6f%u\r\nTo: <sip:u%u@%s>\r\nCall-ID: b0000000000@bench\r\nCSeq: 1 MESSAGE\r\n"                                      \
	"Content-Type: text/plain\r\nContent-Length: %zu\r\n\r\n" BODY

static void find_digits(struct template *t)
{
	const char *at = t->text;
	for (size_t i = 0; i < 3; i++) {
		const char *found = strstr(at, "0000000000");
		t->digits[i] = found ? (uint16_t)(found - t->text) : t->digits[0];
		at = found ? found + LOAD_DIGITS : at;
	}
}

static void make_template(struct load_flow *f, struct template *t, unsigned n)
{
	char text[TEMPLATE_MAX], user[80];
	int len = 0;
	snprintf(user, sizeof(user), f->to[0] ? "%s" : "l%.0s%u", f->to, n);
	switch (f->kind) {
	case LOAD_TO_SIP:
		len = snprintf(text, sizeof(text), STANZA, n, f->remote, user, f->local);
		break;
	case LOAD_TO_XMPP:
		len = snprintf(text, sizeof(text), REQUEST, n, f->remote, load_transport_names[f->transport], load_sip_port(f->transport), user,
			f->local, n, n, f->remote, sizeof(BODY) - 1);
		break;
	case LOAD_PING:
		len = snprintf(text, sizeof(text), QUERY, n, f->remote, f->local);
		break;
	}
	t->text = len > 0 && (size_t)len < sizeof(text) ? strdup(text) : NULL;
	if (!t->text) {
		load_die("a message is too long");
	}
	t->len = (size_t)len;
	find_digits(t);
}

/* ---- flows ---- */

static bool set(struct load_flow *f, const char *key, const char *value)
{
	double number = atof(value);
	if (strcmp(key, "dir") == 0) {
		f->kind = strcmp(value, "to-sip") == 0 ? LOAD_TO_SIP : strcmp(value, "to-xmpp") == 0 ? LOAD_TO_XMPP : LOAD_PING;
	} else if (strcmp(key, "transport") == 0) {
		f->transport = strcmp(value, "udp") == 0 ? LOAD_UDP : strcmp(value, "tcp") == 0 ? LOAD_TCP : LOAD_TLS;
	} else if (strcmp(key, "local") == 0) {
		snprintf(f->local, sizeof(f->local), "%s", value);
	} else if (strcmp(key, "remote") == 0) {
		snprintf(f->remote, sizeof(f->remote), "%s", value);
	} else if (strcmp(key, "to") == 0) {
		snprintf(f->to, sizeof(f->to), "%s", value);
	} else if (strcmp(key, "name") == 0) {
		snprintf(f->name, sizeof(f->name), "%s", value);
	} else if (strcmp(key, "pairs") == 0) {
		f->pairs = (unsigned)number;
	} else if (strcmp(key, "first") == 0) {
		f->first = (unsigned)number;
	} else if (strcmp(key, "window") == 0) {
		f->window = (unsigned)number;
	} else if (strcmp(key, "rate") == 0) {
		f->rate = number;
	} else if (strcmp(key, "count") == 0) {
		f->count = (uint64_t)number;
	} else if (strcmp(key, "seconds") == 0) {
		f->duration_us = (uint64_t)(number * 1e6);
	} else if (strcmp(key, "drain") == 0) {
		f->drain_us = (unsigned)(number * 1e6);
	} else if (strcmp(key, "background") == 0) {
		f->is_background = number > 0;
	} else {
		return false;
	}
	return true;
}

struct load_flow *load_flow_new(const char *spec)
{
	char copy[1024], *save, *word;
	struct load_flow *f = calloc(1, sizeof(*f));
	if (!f || flow_count == FLOWS_MAX) {
		load_die("too many flows");
	}
	f->pairs = 2000;
	f->drain_us = DRAIN_US;
	f->window = 256;
	snprintf(copy, sizeof(copy), "%s", spec);
	for (word = strtok_r(copy, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		char *value = strchr(word, '=');
		if (!value) {
			return NULL;
		}
		*value++ = '\0';
		if (!set(f, word, value)) {
			return NULL;
		}
	}
	f->conn = f->kind == LOAD_TO_XMPP ? NULL : load_partner_conn(f->remote, f->local);
	if (f->pairs == 0 || (f->kind != LOAD_TO_XMPP && !f->conn) || (f->count == 0 && f->duration_us == 0)) {
		return NULL;
	}
	f->templates = calloc(f->pairs, sizeof(*f->templates));
	for (unsigned i = 0; f->templates && i < f->pairs; i++) {
		make_template(f, &f->templates[i], f->first + i);
	}
	return flows[flow_count++] = f;
}

void load_flows_start(void)
{
	uint64_t now = load_now_us();
	strays = 0;
	for (size_t i = 0; i < flow_count; i++) {
		flows[i]->started_us = flows[i]->last_sent_us = now;
		flows[i]->is_sending = true;
	}
}

void load_flows_free(void)
{
	for (size_t i = 0; i < flow_count; i++) {
		struct load_flow *f = flows[i];
		for (unsigned n = 0; n < f->pairs; n++) {
			free(f->templates[n].text);
		}
		free(f->templates);
		free(f->latency);
		free(f->response);
		free(f);
	}
	flow_count = 0;
	for (size_t i = 0; i < ENTRIES; i++) {
		entries[i].flow = NULL;
	}
}

/* ---- sending ---- */

static void write_digits(char *at, uint64_t n)
{
	for (int i = LOAD_DIGITS - 1; i >= 0; i--) {
		at[i] = (char)('0' + n % 10);
		n /= 10;
	}
}

static void send_one(struct load_flow *f, uint64_t now)
{
	struct template *t = &f->templates[f->sent % f->pairs];
	uint64_t seq = ++last_seq;
	entries[seq % ENTRIES] = (struct entry){ .seq = seq, .sent_us = now, .flow = f };
	for (size_t i = 0; i < 3; i++) {
		write_digits(t->text + t->digits[i], seq);
	}
	f->sent++;
	f->in_flight++;
	f->last_sent_us = now;
	if (f->kind == LOAD_TO_XMPP) {
		load_sip_send(f->transport, t->text, t->len);
	} else {
		load_conn_send(f->conn, t->text, t->len);
	}
}

static size_t pending(const struct load_flow *f)
{
	return f->kind == LOAD_TO_XMPP ? load_sip_pending(f->transport) : load_conn_pending(f->conn);
}

/* How many may go now. */
static uint64_t due(const struct load_flow *f, uint64_t now)
{
	uint64_t n;
	if (f->rate > 0) {
		uint64_t until = (uint64_t)((double)(now - f->started_us) * f->rate / 1e6);
		n = until > f->sent ? until - f->sent : 0;
	} else if (f->window == 0) {
		n = pending(f) < LOAD_PENDING ? BURST : 0;
	} else {
		n = f->window > f->in_flight ? f->window - f->in_flight : 0;
	}
	if (f->count > 0 && n > f->count - f->sent) {
		n = f->count - f->sent;
	}
	return n < BURST ? n : BURST;
}

static void pump(struct load_flow *f)
{
	uint64_t now = load_now_us();
	for (uint64_t n = due(f, now); n > 0; n--) {
		send_one(f, now);
	}
	if ((f->count > 0 && f->sent == f->count) || (f->duration_us > 0 && now - f->started_us >= f->duration_us)) {
		f->is_sending = false;
	}
}

void load_flows_pump(void)
{
	for (size_t i = 0; i < flow_count; i++) {
		if (flows[i]->is_sending) {
			pump(flows[i]);
		}
	}
}

int load_flows_wait_ms(void)
{
	int wait = -1;
	for (size_t i = 0; i < flow_count; i++) {
		const struct load_flow *f = flows[i];
		if (f->is_sending && f->rate > 0) {
			return PACE_SLOT_US / 1000;
		}
		if (f->is_sending && f->window == 0) {
			wait = 1;
		} else if (wait < 0) {
			wait = 50;
		}
	}
	return wait;
}

static bool is_done(struct load_flow *f, uint64_t now)
{
	if (f->is_sending) {
		return false;
	}
	if (f->in_flight > 0 && now - f->last_sent_us < f->drain_us) {
		return false;
	}
	f->lost = f->in_flight;
	f->ended_us = f->ended_us ? f->ended_us : now;
	return true;
}

bool load_flows_done(void)
{
	uint64_t now = load_now_us();
	bool all = true;
	for (size_t i = 0; i < flow_count; i++) {
		all = (flows[i]->is_background || is_done(flows[i], now)) && all;
	}
	for (size_t i = 0; all && i < flow_count; i++) {
		if (flows[i]->is_background) {
			flows[i]->is_sending = false;
			flows[i]->lost = flows[i]->in_flight;
			flows[i]->ended_us = now;
		}
	}
	return all;
}

/* ---- what comes back ---- */

static struct entry *entry_of(uint64_t seq)
{
	struct entry *e = &entries[seq % ENTRIES];
	if (e->seq != seq || !e->flow) {
		strays++;
		return NULL;
	}
	return e;
}

static void note(struct load_flow *f, uint32_t **list, size_t *count, uint64_t us)
{
	if (f->latency_count >= f->size || f->response_count >= f->size) {
		f->size = f->size ? f->size * 2 : 16384;
		f->latency = realloc(f->latency, f->size * sizeof(*f->latency));
		f->response = realloc(f->response, f->size * sizeof(*f->response));
		if (!f->latency || !f->response) {
			load_die("out of memory");
		}
	}
	(*list)[(*count)++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

/* To SIP a message is over when it is there or refused, to XMPP when it is there and has its response. */
static bool is_over(const struct entry *e)
{
	return e->flow->kind == LOAD_TO_SIP ? e->done != 0 : e->done == (ARRIVED | ANSWERED) || (e->done & REFUSED);
}

static void finish(struct entry *e, unsigned what)
{
	bool was_over = is_over(e);
	e->done |= what;
	if (is_over(e) && !was_over) {
		e->flow->in_flight--;
		e->flow->ended_us = load_now_us();
	}
}

void load_arrived(uint64_t seq)
{
	struct entry *e = entry_of(seq);
	if (!e) {
		return;
	}
	if (e->done & ARRIVED) {
		e->flow->duplicates++;
		return;
	}
	e->flow->arrived++;
	note(e->flow, &e->flow->latency, &e->flow->latency_count, load_now_us() - e->sent_us);
	finish(e, ARRIVED);
}

void load_answered(uint64_t seq, int status)
{
	struct entry *e = entry_of(seq);
	if (!e || (e->done & ANSWERED)) {
		return;
	}
	bool is_good = status >= 200 && status < 300;
	e->flow->answered++;
	e->flow->refused += !is_good;
	note(e->flow, &e->flow->response, &e->flow->response_count, load_now_us() - e->sent_us);
	finish(e, is_good ? ANSWERED : ANSWERED | REFUSED);
}

/* ---- the report ---- */

static int by_value(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

static void print_latency(FILE *out, const char *name, uint32_t *list, size_t count)
{
	if (count > 0) {
		qsort(list, count, sizeof(*list), by_value);
		fprintf(out, ",\"%s\":{\"p50\":%u,\"p99\":%u,\"max\":%u}", name, list[count / 2], list[count - 1 - count / 100], list[count - 1]);
	}
}

void load_flows_print(FILE *out)
{
	fprintf(out, "{\"strays\":%llu,\"acks\":%llu,\"flows\":[", (unsigned long long)strays, (unsigned long long)load_partner_acks());
	for (size_t i = 0; i < flow_count; i++) {
		struct load_flow *f = flows[i];
		fprintf(out,
			"%s{\"name\":\"%s\",\"sent\":%llu,\"arrived\":%llu,\"answered\":%llu,\"refused\":%llu,\"duplicates\":%llu,\"lost\":%llu,"
			"\"wall_us\":%llu",
			i ? "," : "", f->name, (unsigned long long)f->sent, (unsigned long long)f->arrived, (unsigned long long)f->answered,
			(unsigned long long)f->refused, (unsigned long long)f->duplicates, (unsigned long long)f->lost,
			(unsigned long long)(f->ended_us - f->started_us));
		print_latency(out, "latency_us", f->latency, f->latency_count);
		print_latency(out, "response_us", f->response, f->response_count);
		fprintf(out, "}");
	}
	fprintf(out, "]}\n");
	fflush(out);
}
