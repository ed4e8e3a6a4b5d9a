sh -c 'sleep 0.1; exit 130'
