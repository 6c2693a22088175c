#include "load.h"

#include <stdlib.h>
#include <string.h>

#define OPENING_MAX 48 /* streams being opened at a time */
#define NS_SM	    "urn:xmpp:sm:3"

#define HEADER_TO                                                                                                                                    \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' from='%s' "                       \
	"to='%s' version='1.0'>"
#define HEADER_BACK                                                                                                                                  \
	"<?xml version='1.0'?><stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' from='%s' "                       \
	"id='s%u' version='1.0'>"
#define STARTTLS  "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define PROCEED	  "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>"
#define AUTH	  "<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='EXTERNAL'>=</auth>"
#define SUCCESS	  "<success xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>"
#define OFFER_TLS "<stream:features><starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'><required/></starttls></stream:features>"
#define OFFER_SASL                                                                                                                                   \
	"<stream:features><mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>EXTERNAL</mechanism></mechanisms>"                         \
	"</stream:features>"
#define OFFER_NONE "<stream:features/>"
#define OFFER_SM   "<stream:features><sm xmlns='" NS_SM "'/></stream:features>"

/*
 * Either end of a stream.
 *   ours:   FEATURES -> PROCEED -> (TLS) -> FEATURES_TLS -> SUCCESS -> FEATURES_END -> READY
 *   theirs: HEADER -> STARTTLS -> (TLS) -> HEADER_TLS -> AUTH -> HEADER_END -> READY
 */
enum state { FEATURES, PROCEED_, FEATURES_TLS, SUCCESS_, FEATURES_END, HEADER, STARTTLS_, HEADER_TLS, AUTH_, HEADER_END, READY };

struct partner {
	struct partner *next;
	char domain[128], leaf[64];
	bool has_sm, is_deaf;
};

struct stream {
	struct stream *next;
	struct load_conn *conn;
	enum state state;
	bool is_ours, has_sm; /* has_sm: offered by the other side */
	bool uses_sm;
	char domain[128], local[128], leaf[64];
	struct partner *partner; /* theirs */
	uint32_t taken;		 /* stanzas, for <a/> */
};

static struct partner *partners;
static struct stream *streams;
static unsigned open_count, opening, stream_id;
static uint64_t acks;
static bool some_use_sm;
static struct {
	uint16_t port;
	char domain[128], local[128], leaf[64];
	unsigned next, count;
	bool is_many;
} to_open;

static void open_more(void);

static void say(struct stream *s, const char *text)
{
	load_conn_send(s->conn, text, strlen(text));
}

static void open_header(struct stream *s)
{
	char text[600];
	if (s->is_ours) {
		snprintf(text, sizeof(text), HEADER_TO, s->domain, s->local);
	} else {
		snprintf(text, sizeof(text), HEADER_BACK, s->domain, ++stream_id);
	}
	say(s, text);
}

/* ---- stanzas ---- */

static uint64_t digits(const char *at)
{
	uint64_t n = 0;
	for (int i = 0; i < LOAD_DIGITS && at[i] >= '0' && at[i] <= '9'; i++) {
		n = n * 10 + (uint64_t)(at[i] - '0');
	}
	return n;
}

static void take_stanza(struct stream *s, struct xfed_span whole, struct xfed_span tag)
{
	bool is_error = load_find(tag, "type=\"error\"") != NULL;
	const char *id = load_find(tag, " id=\"b"), *body;
	s->taken++;
	if (is_error || xfed_span_is(xfed_span_make(tag.data, 3), "<iq")) {
		if (id) {
			load_answered(digits(id + 6), is_error ? 0 : 200);
		}
		if (!is_error && id) {
			load_arrived(digits(id + 6));
		}
	} else if ((body = load_find(whole, "<body>#"))) {
		load_arrived(digits(body + 7));
	}
}

/* The length of the first-level element at the beginning; 0: it is not whole yet. */
static size_t element_len(struct xfed_span in, struct xfed_span *tag)
{
	char end[40];
	const char *gt = memchr(in.data, '>', in.len);
	if (!gt) {
		return 0;
	}
	*tag = xfed_span_make(in.data, (size_t)(gt + 1 - in.data));
	if (gt[-1] == '/' || in.data[1] == '/' || in.data[1] == '?') {
		return tag->len;
	}
	size_t n = strcspn(in.data + 1, " >/");
	int len = snprintf(end, sizeof(end), "</%.*s>", (int)(n < 30 ? n : 30), in.data + 1);
	const char *at = load_find(in, end);
	return at ? (size_t)(at - in.data) + (size_t)len : 0;
}

static void take_element(struct stream *s, struct xfed_span whole, struct xfed_span tag)
{
	char text[80];
	if (load_find(tag, "<message") == tag.data || load_find(tag, "<iq") == tag.data || load_find(tag, "<presence") == tag.data) {
		take_stanza(s, whole, tag);
	} else if (load_find(tag, "<r ") == tag.data || load_find(tag, "<r/") == tag.data) {
		snprintf(text, sizeof(text), "<a xmlns='" NS_SM "' h='%u'/>", s->taken);
		say(s, text);
	} else if (load_find(tag, "<enable ") == tag.data) {
		say(s, "<enabled xmlns='" NS_SM "'/>");
		s->taken = 0;
	} else if (load_find(tag, "<enabled ") == tag.data) {
		s->uses_sm = some_use_sm = true;
		s->taken = 0;
	} else if (load_find(tag, "<a ") == tag.data) {
		acks++;
	} else if (load_find(tag, "<stream:error") == tag.data) {
		fprintf(stderr, "load: stream error for %s: %.*s\n", s->domain, (int)whole.len, whole.data);
	} else if (load_find(tag, "</stream") == tag.data) {
		say(s, "</stream:stream>");
	}
}

static void drain(struct stream *s)
{
	struct xfed_buf *in = &s->conn->in;
	while (xfed_buf_len(in) > 0 && !s->conn->is_closed) {
		struct xfed_span all = xfed_buf_span(in), tag;
		if (all.data[0] != '<') {
			xfed_buf_consume(in, 1); /* white space */
			continue;
		}
		size_t len = element_len(all, &tag);
		if (len == 0) {
			return;
		}
		take_element(s, xfed_span_make(all.data, len), tag);
		xfed_buf_consume(in, len);
	}
}

/* ---- the way there ---- */

/* Takes everything up to the end of `pattern`. */
static bool took(struct stream *s, const char *pattern)
{
	struct xfed_span in = xfed_buf_span(&s->conn->in);
	const char *at = load_find(in, pattern);
	if (!at) {
		return false;
	}
	xfed_buf_consume(&s->conn->in, (size_t)(at - in.data) + strlen(pattern));
	return true;
}

static bool took_tag(struct stream *s, const char *start)
{
	struct xfed_span in = xfed_buf_span(&s->conn->in);
	const char *at = load_find(in, start);
	const char *gt = at ? memchr(at, '>', in.len - (size_t)(at - in.data)) : NULL;
	if (gt) {
		xfed_buf_consume(&s->conn->in, (size_t)(gt + 1 - in.data));
	}
	return gt != NULL;
}

static bool took_features(struct stream *s)
{
	s->has_sm = load_find(xfed_buf_span(&s->conn->in), NS_SM) != NULL;
	return took(s, "</stream:features>") || took(s, "<stream:features/>");
}

static struct partner *partner_of(const char *domain)
{
	struct partner *p = partners;
	while (p && strcmp(p->domain, domain) != 0) {
		p = p->next;
	}
	return p;
}

static void become_ready(struct stream *s)
{
	struct partner *p = s->is_ours ? partner_of(s->domain) : NULL;
	s->state = READY;
	if (p && p->has_sm && s->has_sm) {
		say(s, "<enable xmlns='" NS_SM "'/>");
	}
	if (s->is_ours) {
		open_count++;
		opening--;
		open_more();
	}
}

static bool step_ours(struct stream *s)
{
	switch (s->state) {
	case FEATURES:
		if (took_features(s)) {
			say(s, STARTTLS);
			s->state = PROCEED_;
			return true;
		}
		return false;
	case PROCEED_:
		if (took_tag(s, "<proceed")) {
			s->state = FEATURES_TLS;
			load_conn_start_tls(s->conn, s->leaf, false, s->local);
		}
		return false;
	case FEATURES_TLS:
		if (took_features(s)) {
			say(s, AUTH);
			s->state = SUCCESS_;
			return true;
		}
		return false;
	case SUCCESS_:
		if (took_tag(s, "<success")) {
			open_header(s);
			s->state = FEATURES_END;
			return true;
		}
		return false;
	case FEATURES_END:
		if (took_features(s)) {
			become_ready(s);
			return true;
		}
		return false;
	case HEADER:
	case STARTTLS_:
	case HEADER_TLS:
	case AUTH_:
	case HEADER_END:
	case READY:
		break;
	}
	return false;
}

static bool step_theirs(struct stream *s)
{
	switch (s->state) {
	case HEADER:
		if (took_tag(s, "<stream:stream")) {
			open_header(s);
			say(s, OFFER_TLS);
			s->state = STARTTLS_;
			return true;
		}
		return false;
	case STARTTLS_:
		if (took_tag(s, "<starttls")) {
			say(s, PROCEED);
			load_conns_flush();
			s->state = HEADER_TLS;
			load_conn_start_tls(s->conn, s->leaf, true, NULL);
		}
		return false;
	case HEADER_TLS:
		if (took_tag(s, "<stream:stream")) {
			open_header(s);
			say(s, OFFER_SASL);
			s->state = AUTH_;
			return true;
		}
		return false;
	case AUTH_:
		if (took_tag(s, "</auth") || took_tag(s, "<auth")) {
			say(s, SUCCESS);
			s->state = HEADER_END;
			return true;
		}
		return false;
	case HEADER_END:
		if (took_tag(s, "<stream:stream")) {
			open_header(s);
			say(s, s->partner->has_sm ? OFFER_SM : OFFER_NONE);
			become_ready(s);
			return true;
		}
		return false;
	case FEATURES:
	case PROCEED_:
	case FEATURES_TLS:
	case SUCCESS_:
	case FEATURES_END:
	case READY:
		break;
	}
	return false;
}

static void stream_bytes(struct load_conn *c)
{
	struct stream *s = c->user;
	while (s->state != READY && !c->is_closed && !c->is_handshaking && (s->is_ours ? step_ours(s) : step_theirs(s))) {
	}
	if (s->state == READY) {
		drain(s);
	}
}

static void stream_open(struct load_conn *c)
{
	open_header(c->user);
}

static void stream_secure(struct load_conn *c)
{
	struct stream *s = c->user;
	if (s->is_ours) {
		open_header(s);
	}
}

static void stream_close(struct load_conn *c)
{
	struct stream *s = c->user, **at = &streams;
	if (s->is_ours && s->state == READY) {
		open_count--;
	} else if (s->is_ours) {
		load_die("a stream of %s to %s ended before it was authenticated: %.*s", s->domain, s->local, (int)xfed_buf_len(&c->in),
			xfed_buf_span(&c->in).data);
	}
	while (*at != s) {
		at = &(*at)->next;
	}
	*at = s->next;
	free(s);
}

static struct stream *stream_new(bool is_ours)
{
	struct stream *s = calloc(1, sizeof(*s));
	if (!s) {
		load_die("out of memory");
	}
	s->is_ours = is_ours;
	s->state = is_ours ? FEATURES : HEADER;
	s->next = streams;
	return streams = s;
}

static void attach(struct stream *s, struct load_conn *c)
{
	s->conn = c;
	c->user = s;
	c->on_open = stream_open;
	c->on_secure = stream_secure;
	c->on_bytes = stream_bytes;
	c->on_close = stream_close;
}

/* ---- partners ---- */

static void accepted(int fd, void *user)
{
	struct partner *p = user;
	struct stream *s = stream_new(false);
	s->partner = p;
	memcpy(s->domain, p->domain, sizeof(s->domain));
	memcpy(s->leaf, p->leaf, sizeof(s->leaf));
	attach(s, load_conn_new(fd, s));
}

void load_partner_listen(const char *domain, const char *leaf, uint16_t port, bool has_sm)
{
	struct partner *p = calloc(1, sizeof(*p));
	if (!p) {
		load_die("out of memory");
	}
	snprintf(p->domain, sizeof(p->domain), "%s", domain);
	snprintf(p->leaf, sizeof(p->leaf), "%s", leaf);
	p->has_sm = has_sm;
	p->next = partners;
	partners = p;
	load_listen(port, accepted, p);
}

static void open_one(void)
{
	struct stream *s = stream_new(true);
	if (to_open.is_many) {
		snprintf(s->domain, sizeof(s->domain), "d%u.%.100s", to_open.next, to_open.domain);
	} else {
		snprintf(s->domain, sizeof(s->domain), "%s", to_open.domain);
	}
	memcpy(s->local, to_open.local, sizeof(s->local));
	memcpy(s->leaf, to_open.leaf, sizeof(s->leaf));
	to_open.next++;
	opening++;
	attach(s, load_conn_dial(to_open.port, s));
}

static void open_more(void)
{
	while (opening < OPENING_MAX && to_open.next < to_open.count) {
		open_one();
	}
}

void load_partner_open(uint16_t edge_port, const char *domain, const char *local, const char *leaf, unsigned first, unsigned count)
{
	to_open.port = edge_port;
	snprintf(to_open.domain, sizeof(to_open.domain), "%s", domain);
	snprintf(to_open.local, sizeof(to_open.local), "%s", local);
	snprintf(to_open.leaf, sizeof(to_open.leaf), "%s", leaf);
	to_open.is_many = count > 0;
	to_open.next = first;
	to_open.count = first + (count > 0 ? count : 1);
	open_more();
}

bool load_partner_opened(void)
{
	return opening == 0 && to_open.next == to_open.count;
}

unsigned load_partner_open_count(void)
{
	return open_count;
}

void load_partner_set_deaf(const char *domain, bool is_deaf)
{
	for (struct stream *s = streams; s; s = s->next) {
		if (!s->is_ours && strcmp(s->domain, domain) == 0) {
			load_conn_set_deaf(s->conn, is_deaf);
		}
	}
}

void load_partner_ask_acks(void)
{
	for (struct stream *s = some_use_sm ? streams : NULL; s; s = s->next) {
		if (s->uses_sm && s->is_ours && s->conn->is_dirty && load_conn_pending(s->conn) > 0) {
			say(s, "<r xmlns='" NS_SM "'/>");
		}
	}
}

uint64_t load_partner_acks(void)
{
	return acks;
}

struct load_conn *load_partner_conn(const char *domain, const char *local)
{
	for (struct stream *s = streams; s; s = s->next) {
		if (s->is_ours && s->state == READY && strcmp(s->domain, domain) == 0 && strcmp(s->local, local) == 0) {
			return s->conn;
		}
	}
	return NULL;
}
