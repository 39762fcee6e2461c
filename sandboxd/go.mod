module github.com/orkee/orkee-jupyter/sandboxd

go 1.25
