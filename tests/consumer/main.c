/* A user's program: it makes what a connection needs and says which library it runs with. */
#include <ws_engine.h>

#include <stdio.h>

int main(void)
{
    ws_config *config = ws_config_new();
    ws_engine *engine = ws_engine_new(config);
    ws_conn *conn = ws_conn_new_server(engine);
    const int works = conn != NULL;
    ws_conn_free(conn);
    ws_engine_free(engine);
    ws_config_free(config);
    printf("%s\n", works ? ws_version() : "it does not work");
    return works ? 0 : 1;
}
