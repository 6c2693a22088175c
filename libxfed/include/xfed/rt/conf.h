/*
 * Option tables: a table describes a configuration file (name, type, unit, range, default, help). It loads the file into a struct, reports
 * errors, prints the effective configuration, and writes the options part of a manual page.
 *
 * YAML is read strictly, as events of libyaml: a scalar has the type of its row, or is an error that names what was found and what is
 * accepted; unknown and duplicate keys, a second document, anchors, aliases, tags, merge keys, tabs as indentation, NUL, anything but
 * UTF-8, files above RT_CONF_FILE_BYTES and depth above RT_CONF_DEPTH are errors. All errors of a file are collected, up to RT_CONF_ERRORS.
 *
 * Values are in the document's arena: a loaded struct is valid until rt_conf_doc_deinit() of its document.
 */
#ifndef XFED_RT_CONF_H
#define XFED_RT_CONF_H

#include "xfed/arena.h"
#include "xfed/base.h"
#include "xfed/buf.h"
#include "xfed/reason.h"
#include "xfed/rt/network.h"

#define RT_CONF_FILE_BYTES  (1024 * 1024)
#define RT_CONF_ARENA_BYTES (16 * 1024 * 1024)
#define RT_CONF_DEPTH	    8
#define RT_CONF_ERRORS	    50
#define RT_CONF_LIST_MAX    4096 /* items of one list, unless the row's max says less */

/* ---- values as the structs hold them ---- */

enum rt_conf_transport { RT_TRANSPORT_NONE, RT_TRANSPORT_UDP, RT_TRANSPORT_TCP, RT_TRANSPORT_TLS };
const char *rt_conf_transport_name(enum rt_conf_transport t); /* "", "udp", "tcp", "tls" */

struct rt_conf_address {
	const char *host; /* an address without brackets, or a host name; NULL: not set */
	uint16_t port;
	bool is_ip; /* `host` is an IPv4 or IPv6 address; always so for listening addresses */
	enum rt_conf_transport transport;
};
struct rt_conf_addresses {
	struct rt_conf_address *items;
	size_t count;
};
struct rt_conf_strings {
	const char **items;
	size_t count;
};

/* A row's member must have the type named here. Numbers are uint32_t. */
enum rt_conf_type {
	RT_CONF_STRING,	     /* const char *; not empty */
	RT_CONF_PATH,	     /* const char *; absolute */
	RT_CONF_BOOL,	     /* bool; true | false, nothing else */
	RT_CONF_INT,	     /* uint32_t */
	RT_CONF_DURATION,    /* uint32_t, milliseconds; "500ms" "10s" "2m" "1h" */
	RT_CONF_SIZE,	     /* uint32_t, bytes; "512B" "15KiB" "1MiB" */
	RT_CONF_ENUM,	     /* an enum (int sized); without a default a value of no word is none */
	RT_CONF_ENUM_SET,    /* unsigned: the bits of a list of words */
	RT_CONF_IP,	     /* const char *; an address without port */
	RT_CONF_ADDRESS,     /* struct rt_conf_address; "host:port" "192.0.2.1:53" "[::1]:53" */
	RT_CONF_LISTEN,	     /* struct rt_conf_address; an IP address with port */
	RT_CONF_STRINGS,     /* struct rt_conf_strings */
	RT_CONF_PATHS,	     /* struct rt_conf_strings */
	RT_CONF_LISTENS,     /* struct rt_conf_addresses; "0.0.0.0:5269" */
	RT_CONF_SIP_LISTENS, /* struct rt_conf_addresses; "tls:0.0.0.0:5061" */
	RT_CONF_OBJECT,	     /* a struct, described by `table` */
	RT_CONF_OBJECTS,     /* struct { struct x *items; size_t count; }, described by `table` */
};

enum rt_conf_flags {
	RT_CONF_REQUIRED = 1,
	RT_CONF_RELOADABLE = 2, /* a reload applies a change; else the reload reports that a restart is needed */
	RT_CONF_SECRET = 4,	/* never printed */
	RT_CONF_KEPT = 8,	/* PATH: a file with a key or a secret, which not everybody may read */
	RT_CONF_FILE = 16,	/* STRING: a file if it begins with a slash */
	RT_CONF_WRITTEN = 64,	/* PATH: a file that the service itself makes and writes */
	RT_CONF_SOCKET = 128,	/* PATH: a socket that the service makes */
	RT_CONF_QUIET = 32,	/* one of many: not printed where it is not set */
};

struct rt_conf_word {
	const char *word;
	int value;
	const char *not_built; /* a sentence: the word is valid, but not built in this version */
};

struct rt_conf_table;
struct rt_conf_row {
	const char *name;
	enum rt_conf_type type;
	size_t offset;
	unsigned flags;
	uint64_t min, max;		  /* numbers: range, in ms or bytes where that is the unit; lists: fewest and most items; 0, 0: none */
	const char *unit;		  /* of an INT: "connections" */
	const char *fallback;		  /* the default as it would be written in the file; lists: words separated by blanks; NULL: none */
	uint64_t standard;		  /* the same for a number from xfed/limits.h; 0: see `fallback` */
	const char *help;		  /* one or more sentences */
	const struct rt_conf_word *words; /* ENUM, ENUM_SET: ends with word NULL */
	const struct rt_conf_table *table;
	/*
	 * Strings: a further check, which may change the value. Returns OK, NOMEM, or INVALID with what would be accepted in `*accepted` (a phrase:
	 * "a domain").
	 */
	int (*convert)(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted);
	const char *not_built; /* a sentence: any value but the default is refused with it, because it is not built */
};

struct rt_conf_table {
	const char *name; /* "edge.yaml"; for objects their key */
	const char *help;
	const struct rt_conf_row *rows;
	size_t row_count;
	size_t struct_size;
};

/* A table of `rows_`. Where a member belongs to an object inside the struct, offsets of its rows count from the beginning of that object. */
#define RT_CONF_TABLE(storage, ident, name_, rows_, type, help_)                                                                                     \
	storage struct rt_conf_table ident##_table = {                                                                                               \
		.name = (name_), .help = (help_), .rows = (rows_), .row_count = XFED_ARRAY_LEN(rows_), .struct_size = sizeof(type)                   \
	}
#define RT_CONF_IN(root, object, member) .offset = offsetof(root, object.member) - offsetof(root, object)
#define RT_CONF_TYPE_OF(root, object)	 __typeof__(((root *)0)->object)

/* ---- problems ---- */

struct rt_conf_problem {
	const char *file, *key; /* key is a path: "domains[1].next_hop"; may be empty */
	unsigned line, column;	/* from 1; 0: the file as a whole */
	bool is_warning;
	enum xfed_reason reason; /* config.syntax, config.key.unknown, config.value.invalid, config.matrix.* */
	const char *text;	 /* found "flase", accepted: true | false */
};

/*
 * Problems of one load, which may span several files. The counts include those beyond the limits and those that could not be kept for lack
 * of memory, so `error_count` decides whether a load failed.
 */
struct rt_conf_errors {
	struct xfed_arena arena;
	struct rt_conf_problem items[2 * RT_CONF_ERRORS]; /* at most RT_CONF_ERRORS of each kind */
	size_t count;
	size_t error_count, warning_count;
};

void rt_conf_errors_init(struct rt_conf_errors *e);
void rt_conf_errors_deinit(struct rt_conf_errors *e);
void rt_conf_errors_add(struct rt_conf_errors *e, bool is_warning, enum xfed_reason reason, const char *file, unsigned line, unsigned column,
	const char *key, const char *fmt, ...) __attribute__((format(printf, 8, 9)));

/* "FILE:LINE:COLUMN:KEY: [warning: ]TEXT", without a newline; unknown parts are omitted. OK, LIMIT, NOMEM. */
int rt_conf_problem_print(const struct rt_conf_problem *p, struct xfed_buf *out);
/* All of them, one per line, then "N more" if the limit was reached. Written to stderr by --check-config and a failed start. */
int rt_conf_errors_print(const struct rt_conf_errors *e, struct xfed_buf *out);

/* ---- loading ---- */

struct rt_conf_mark;
struct rt_conf_doc {
	struct xfed_arena arena;
	const char *file; /* a copy */
	const struct rt_conf_table *table;
	void *object;
	struct rt_conf_errors *errors;
	struct rt_conf_mark *marks;	      /* the place of each key, for later checks across keys */
	struct rt_conf_strings needs_restart; /* from rt_conf_keep(): keys whose values in the file are not in force */
};

/*
 * Parses `text` by `table` into a zeroed struct of table->struct_size in the document's arena, with defaults; `doc->object` is that struct.
 * Problems are added to `errors`, which has to live as long as rt_conf_fail() is used with the document. OK, XFED_ERR_INVALID where errors
 * were added, or XFED_ERR_NOMEM (an error is added too). The document has to be released in any case.
 */
int rt_conf_load(struct rt_conf_doc *doc, const struct rt_conf_table *table, const char *file, struct xfed_span text, struct rt_conf_errors *errors);
/* The same for a file; if it cannot be read, the system's error is added. */
int rt_conf_load_file(struct rt_conf_doc *doc, const struct rt_conf_table *table, const char *path, struct rt_conf_errors *errors);
/* Reads the text of a configuration file, which the caller releases; if it cannot be read, an error is added to `errors`. */
int rt_conf_read(const char *path, struct xfed_buf *text, struct rt_conf_errors *errors);
void rt_conf_doc_deinit(struct rt_conf_doc *doc); /* zeroed is fine */

/*
 * For checks across keys after a load: adds a problem at the place of `key` in `object` (the loaded struct or an object inside it), or if
 * the file does not have the key at the place of the object. The second function adds a warning.
 */
void rt_conf_fail(struct rt_conf_doc *doc, const void *object, const char *key, enum xfed_reason reason, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
void rt_conf_warn(struct rt_conf_doc *doc, const void *object, const char *key, enum xfed_reason reason, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
/*
 * Warns (config.file.exposed) of files that everybody may write to: the document's file, the files and directories its keys name, and the
 * directories these are in; and of RT_CONF_KEPT files that everybody may read. Reads the disk; may run on a worker thread.
 */
void rt_conf_check_files(struct rt_conf_doc *doc);
void rt_conf_check_file(struct rt_conf_errors *errors, const char *path); /* one file of a policy directory */
/* Every file and directory that the keys of a loaded document name. `is_kept`: a secret, or what the service itself makes. */
typedef void rt_conf_path_fn(void *user, const char *path, bool is_kept);
void rt_conf_each_path(const struct rt_conf_doc *doc, rt_conf_path_fn *fn, void *user);
/* Adds an error about a file, "PATH: ...": at the key that names it, else at `key` of the document's object. */
void rt_conf_fail_file(struct rt_conf_doc *doc, const char *key, const char *error);
/* Whether the file itself has the key. */
bool rt_conf_is_set(const struct rt_conf_doc *doc, const void *object, const char *key);

/* ---- further uses of a table ---- */

/* Prints the effective configuration as YAML: every key with its value, secrets as "(hidden)". OK, LIMIT, NOMEM. */
int rt_conf_print(const struct rt_conf_table *table, const void *object, struct xfed_buf *out);

/*
 * Compares two loaded structs of a table and calls `changed` with the path of every key that differs, and whether a reload
 * applies it.
 */
void rt_conf_diff(const struct rt_conf_table *table, const void *old_object, const void *new_object,
	void (*changed)(void *user, const char *key, bool is_reloadable), void *user);

/*
 * For a reload: values that a reload cannot apply are replaced by copies of those in force, so that a loaded struct always says what is in
 * force; if the file has another value, the key is in `fresh->needs_restart`. Members without a row are not changed, and are zero in copied
 * items of a list. OK, NOMEM.
 */
int rt_conf_keep(struct rt_conf_doc *fresh, const void *in_force);

/* The OPTIONS part of a section 5 manual page in roff. OK, LIMIT, NOMEM. */
int rt_conf_man(const struct rt_conf_table *table, struct xfed_buf *out);

/* One key of a table, for a form. Its strings are valid while the function runs. */
struct rt_conf_asked {
	const char *key; /* "limits.connections" */
	const struct rt_conf_row *row;
	const struct rt_conf_row *inside; /* the object it is in; NULL: none */
	const char *accepted;		  /* a phrase: "true | false" */
	const char *fallback;		  /* its default as it would be written in the file; NULL: none */
};
typedef void rt_conf_asked_fn(void *user, const struct rt_conf_asked *asked);
void rt_conf_each_key(
	const struct rt_conf_table *t, rt_conf_asked_fn *fn, void *user);	   /* those in objects too, in their order; not lists of objects */
const char *rt_conf_number_text(enum rt_conf_type type, uint64_t n, char out[32]); /* as written in a file: "10s", "64KiB" */

/* Checks a table itself: sizes of members, defaults that parse, names in order and unique. Returns NULL or a sentence (static). For unit tests. */
const char *rt_conf_table_check(const struct rt_conf_table *table);

/* ---- helpers for daemons ---- */

/*
 * Reads a whole file of at most `max` bytes into `*buf` (initialised here, with limit `max`). XFED_OK, or XFED_ERR_INVALID with a sentence
 * in `error` ("/etc/xfed/x.pem: Permission denied"). Only regular files are read (as systemd credentials are), so that a FIFO cannot block
 * the start.
 */
/* config.restart.needed where the sandbox of this process keeps it from `path` (may be NULL), else `otherwise`. */
enum xfed_reason rt_file_reason(const char *path, enum xfed_reason otherwise);
/* Why `path` cannot be read, a phrase; for a denied access also which user, or that the sandbox denies it. */
const char *rt_file_words(const char *path, int err, char out[104]);
/* An errno in words; for a denied access also which user, and how to find out more. */
const char *rt_errno_words(int err, char out[96]);
int rt_file_read(const char *path, size_t max, struct xfed_buf *buf, char error[256]);

/*
 * Checks for rows (`convert`): a domain, normalised by xfed_jid_domain(); a host name as lower-case A-labels; the name of an
 * instance or edge: [a-z0-9][a-z0-9._-]*, at most 64.
 */
int rt_conf_convert_domain(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted);
int rt_conf_convert_host(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted);
int rt_conf_convert_name(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted);
int rt_conf_convert_ip(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted); /* in its usual form */
int rt_conf_convert_network(struct xfed_arena *a, struct xfed_span in, struct xfed_span *out, const char **accepted);
/* Parses the items of a row with that check, into the document's arena. OK, NOMEM. */
int rt_conf_networks(struct rt_conf_doc *doc, const struct rt_conf_strings *texts, struct rt_network **out);

/* The parsers of the row types, for other uses. OK or INVALID. */
int rt_conf_parse_duration(struct xfed_span s, uint64_t *ms);
int rt_conf_parse_size(struct xfed_span s, uint64_t *bytes);
int rt_conf_parse_address(struct xfed_arena *a, struct xfed_span s, enum rt_conf_type type, struct rt_conf_address *out);

/* "ip:port", "[ip6]:port", with "tls:" and so on in front where there is a transport. For log lines. */
const char *rt_conf_address_text(const struct rt_conf_address *a, char out[320]);

#endif
