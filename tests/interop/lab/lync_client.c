/*
 * A client of the Lync family without a window: one account of libpurple with the plugin of pidgin-sipe, told what to do by lines on
 * standard input, and telling what its user would see by lines of JSON on standard output.
 *
 *     lync_client DIRECTORY USER@DOMAIN SERVER:PORT
 *
 *     say URI TEXT    type URI    rest URI    shut URI    leave
 */
#include <dlfcn.h>
#include <libxml/parser.h>
#include <locale.h>
#include <purple.h>
#include <signal.h>
#include <string.h>

/*
 * libxml2 of Debian 12 (2.9.14+dfsg-1.3~deb12u6) calls no startElement of a handler that is marked SAX2 and has no startElementNs, as that of
 * pidgin-sipe 1.25 is; without this the client reads no XML at all. Found before libxml2's (-rdynamic); what is on the wire stays.
 */
int xmlSAXUserParseMemory(xmlSAXHandlerPtr sax, void *data, const char *text, int size)
{
	int (*theirs)(xmlSAXHandlerPtr, void *, const char *, int);
	xmlSAXHandler plain = *sax;
	*(void **)&theirs = dlsym(RTLD_NEXT, "xmlSAXUserParseMemory");
	plain.initialized = sax->startElementNs ? sax->initialized : 1;
	return theirs(&plain, data, text, size);
}

static GMainLoop *loop;
static PurpleAccount *account;

/* ---- what it tells ---- */

static char *quoted(const char *s)
{
	GString *out = g_string_new("\"");
	for (; s && *s; s++) {
		if ((unsigned char)*s < ' ' || *s == '"' || *s == '\\') {
			g_string_append_printf(out, "\\u%04x", (unsigned char)*s);
		} else {
			g_string_append_c(out, *s);
		}
	}
	g_string_append_c(out, '"');
	return g_string_free(out, FALSE);
}

static void tell(const char *event, const char *who, const char *text)
{
	char *w = quoted(who), *t = quoted(text);
	printf("{\"event\": \"%s\", \"who\": %s, \"text\": %s}\n", event, w, t);
	fflush(stdout);
	g_free(w);
	g_free(t);
}

static void on_signed_on(PurpleConnection *gc, void *data)
{
	tell("signed-on", NULL, NULL);
}

static void on_failed(PurpleConnection *gc, PurpleConnectionError e, const char *text, void *data)
{
	tell("failed", NULL, text);
}

static void on_text(PurpleAccount *a, char *who, char *text, PurpleConversation *conv, PurpleMessageFlags flags, void *data)
{
	char *plain = purple_markup_strip_html(text);
	tell("text", who, plain);
	g_free(plain);
}

static void on_typing(PurpleAccount *a, const char *who, void *data)
{
	tell("typing", who, NULL);
}

static void on_typing_over(PurpleAccount *a, const char *who, void *data)
{
	tell("typing-over", who, NULL);
}

/* Notices in a conversation: above all, that a message was not delivered. */
static void on_written(PurpleConversation *conv, const char *name, const char *alias, const char *text, PurpleMessageFlags flags, time_t at)
{
	if (flags & PURPLE_MESSAGE_ERROR) {
		char *plain = purple_markup_strip_html(text);
		tell("not-delivered", purple_conversation_get_name(conv), plain);
		g_free(plain);
	}
}

static PurpleConversationUiOps conversations = { .write_conv = on_written };

/* ---- what it is told ---- */

static PurpleConversation *conversation(const char *who)
{
	PurpleConversation *c = purple_find_conversation_with_account(PURPLE_CONV_TYPE_IM, who, account);
	return c ? c : purple_conversation_new(PURPLE_CONV_TYPE_IM, account, who);
}

static void obey(char *line)
{
	char **word = g_strsplit(g_strchomp(line), " ", 3);
	guint count = g_strv_length(word);
	PurpleConnection *gc = purple_account_get_connection(account);
	if (count == 3 && strcmp(word[0], "say") == 0) {
		char *markup = g_markup_escape_text(word[2], -1);
		purple_conv_im_send(PURPLE_CONV_IM(conversation(word[1])), markup);
		g_free(markup);
	} else if (count == 2 && gc && strcmp(word[0], "type") == 0) {
		serv_send_typing(gc, word[1], PURPLE_TYPING);
	} else if (count == 2 && gc && strcmp(word[0], "rest") == 0) {
		serv_send_typing(gc, word[1], PURPLE_NOT_TYPING);
	} else if (count == 2 && strcmp(word[0], "shut") == 0) {
		purple_conversation_destroy(conversation(word[1]));
	} else {
		purple_account_disconnect(account);
		g_main_loop_quit(loop);
	}
	g_strfreev(word);
}

static gboolean on_line(GIOChannel *in, GIOCondition condition, void *data)
{
	gchar *line = NULL;
	char end[] = "leave";
	g_io_channel_read_line(in, &line, NULL, NULL, NULL);
	obey(line ? line : end);
	g_free(line);
	return TRUE;
}

/* ---- libpurple's loop ---- */

struct watch {
	PurpleInputFunction call;
	void *data;
};

static gboolean on_ready(GIOChannel *channel, GIOCondition ready, void *data)
{
	struct watch *w = data;
	int what = (ready & ~G_IO_OUT ? PURPLE_INPUT_READ : 0) | (ready & ~G_IO_IN ? PURPLE_INPUT_WRITE : 0);
	w->call(w->data, g_io_channel_unix_get_fd(channel), (PurpleInputCondition)what);
	return TRUE;
}

static guint add_input(int fd, PurpleInputCondition what, PurpleInputFunction call, void *data)
{
	struct watch *w = g_new0(struct watch, 1);
	GIOChannel *channel = g_io_channel_unix_new(fd);
	GIOCondition on = (what & PURPLE_INPUT_READ ? G_IO_IN : 0) | (what & PURPLE_INPUT_WRITE ? G_IO_OUT : 0) | G_IO_ERR | G_IO_HUP;
	*w = (struct watch){ call, data };
	guint id = g_io_add_watch_full(channel, G_PRIORITY_DEFAULT, on, on_ready, w, g_free);
	g_io_channel_unref(channel);
	return id;
}

static PurpleEventLoopUiOps events = {
	.timeout_add = g_timeout_add,
	.timeout_remove = g_source_remove,
	.timeout_add_seconds = g_timeout_add_seconds,
	.input_add = add_input,
	.input_remove = g_source_remove,
};

static void connect_signal(void *instance, const char *name, PurpleCallback call)
{
	static int handle;
	purple_signal_connect(instance, name, &handle, call, NULL);
}

int main(int argc, char **argv)
{
	static const char program[] = "lync_client";
	if (argc != 4) {
		fprintf(stderr, "lync_client DIRECTORY USER@DOMAIN SERVER:PORT\n");
		return 2;
	}
	setlocale(LC_ALL, "C.UTF-8");
	signal(SIGPIPE, SIG_IGN);
	purple_util_set_user_dir(argv[1]);
	purple_eventloop_set_ui_ops(&events);
	purple_plugins_add_search_path("/usr/lib/purple-2");
	if (!purple_core_init(program) || !purple_find_prpl("prpl-sipe")) {
		fprintf(stderr, "no libpurple, or no pidgin-sipe\n");
		return 1;
	}
	purple_conversations_set_ui_ops(&conversations);
	purple_set_blist(purple_blist_new());
	purple_prefs_load();
	purple_prefs_set_string("/purple/proxy/type", "none");
	purple_prefs_set_bool("/purple/conversations/im/send_typing", TRUE);
	connect_signal(purple_connections_get_handle(), "signed-on", PURPLE_CALLBACK(on_signed_on));
	connect_signal(purple_connections_get_handle(), "connection-error", PURPLE_CALLBACK(on_failed));
	connect_signal(purple_conversations_get_handle(), "received-im-msg", PURPLE_CALLBACK(on_text));
	connect_signal(purple_conversations_get_handle(), "buddy-typing", PURPLE_CALLBACK(on_typing));
	connect_signal(purple_conversations_get_handle(), "buddy-typing-stopped", PURPLE_CALLBACK(on_typing_over));
	char *name = g_strconcat(argv[2], ",", NULL); /* behind the comma: the name to log in with, which is none */
	account = purple_account_new(name, "prpl-sipe");
	purple_account_set_password(account, "none");
	purple_account_set_string(account, "server", argv[3]);
	purple_account_set_string(account, "transport", "tcp");
	purple_account_set_bool(account, "dont-publish", TRUE);
	purple_accounts_add(account);
	purple_account_set_enabled(account, program, TRUE);
	purple_savedstatus_activate(purple_savedstatus_new(NULL, PURPLE_STATUS_AVAILABLE));
	loop = g_main_loop_new(NULL, FALSE);
	g_io_add_watch(g_io_channel_unix_new(0), G_IO_IN | G_IO_HUP, on_line, NULL);
	g_main_loop_run(loop);
	return 0;
}
